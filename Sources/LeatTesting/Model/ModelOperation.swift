internal import Leat

/// What an operation does to a lease's items.
enum ModelSettlement: Sendable, Hashable {
    case all
    case prefix(Int)
    /// Those whose bit is set.
    case scattered(UInt64)
    /// Two bits an item: done, failed, released, or left alone.
    case mixed(UInt64)
    case failAll(RetryAdvice)
    case bury(Int)
    case together(RetryAdvice)
    case released
}

/// A step that must be refused.
enum ModelTrespass: Sendable, Hashable, CaseIterable {
    /// Under a lease that is gone.
    case lostLease
    /// Under a live lease, in another worker's name.
    case wrongWorker
    /// Under a live lease, on an item that is not in it.
    case foreignItem
    /// Under a live lease, with an output into a queue that the stage does not feed.
    case foreignQueue
    /// Under an epoch that is over.
    case lostShard
    /// A claim of a worker that has ended.
    case endedWorker
    /// A second outcome for an item that is settled.
    case skipSettled
    /// A put into a queue that is not there.
    case unknownQueue
}

/// One random operation.
///
/// Everything is named by a number that is taken modulo what exists when its turn comes, and what does not exist is
/// passed over: so any part of a list of operations is a list of operations, which is what shrinking needs.
enum ModelOperation: Sendable, Hashable {
    case put(queue: Int, count: Int, key: Int?, delay: Int, priority: Int)
    case enroll(stage: Int)
    case claim(stage: Int, worker: Int, limit: Int)
    case claimAll(stage: Int, worker: Int)
    case commit(lease: Int, ModelSettlement, outputs: Int, key: Int?, next: Int?)
    case trespass(ModelTrespass, Int, Int)
    case end(worker: Int, WorkerEnding)
    case endAgain(worker: Int)
    case open(shard: Int, worker: Int)
    case emit(shard: Int, outputs: Int, key: Int?, cursor: Int?, isLast: Bool)
    case skip(queue: Int, item: Int)
    case retry(stage: Int)
    case restart(stage: Int)
    case begin
    case evaluate
    /// Closes every shard and works on the stages, but for the last few, until nothing more can be done; one lease in
    /// five has an item that is hopeless.
    case flood(dead: Int, outputs: Int, except: Int)
    /// All live workers give a sign of life afterwards.
    case advance(milliseconds: Int)
    /// Time goes on past a lease; the workers whose bit is set give a sign of life; the others are reaped.
    case silence(survivors: UInt64)
    case reboot
    /// The wall clock is set, and the monotonic one goes on by less than a lease; nobody gives a sign of life meanwhile.
    /// Of a suspended host the one has gone on and the other stood still.
    case clocks(seconds: Int, milliseconds: Int)
    /// The host is started anew, and its clocks show something else.
    case newBoot(seconds: Int, instant: Int)
}

extension ModelOperation {
    /// An operation that follows from the generator alone.
    ///
    /// - Parameter isLate: whether the run's end is near, so that ends may be told without leaving little to do.
    static func random(using generator: inout SeededGenerator, isLate: Bool) -> ModelOperation {
        func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
        func maybe(_ percent: Int, _ range: ClosedRange<Int>) -> Int? {
            number(1...100) <= percent ? number(range) : nil
        }
        let any = 0...59
        // A flood ends most of what there is to do, so it comes late.
        switch number(0...(isLate ? 217 : 203)) {
        case ..<20:
            return .put(
                queue: number(any), count: number(1...6), key: maybe(25, 0...3), delay: maybe(20, 1...4) ?? 0,
                priority: maybe(20, 1...2) ?? 0)
        case ..<62: return .claim(stage: number(any), worker: number(any), limit: number(1...5))
        case ..<72: return .claimAll(stage: number(any), worker: number(any))
        case ..<124:
            return .commit(
                lease: number(any), .random(using: &generator), outputs: maybe(75, 1...3) ?? 0, key: maybe(15, 0...3),
                next: maybe(40, 1...4))
        case ..<138:
            let all = ModelTrespass.allCases
            return .trespass(all[number(0...all.count - 1)], number(any), number(any))
        case ..<159: return .end(worker: number(any), .random(using: &generator))
        case ..<160: return .endAgain(worker: number(any))
        case ..<164: return .open(shard: number(any), worker: number(any))
        case ..<175:
            return .emit(
                shard: number(any), outputs: number(0...4), key: maybe(15, 0...3), cursor: maybe(70, 1...9),
                isLast: number(1...(isLate ? 3 : 12)) == 1)
        case ..<180: return .skip(queue: number(any), item: number(any))
        case ..<188: return .retry(stage: number(any))
        case ..<191: return .restart(stage: number(any))
        case ..<193: return .begin
        case ..<194: return .evaluate
        case ..<201: return .advance(milliseconds: [1, 400, 1000, 3000, 7000][number(0...4)])
        case ..<202: return .silence(survivors: UInt64(number(0...255)))
        case ..<203: return .reboot
        case ..<204: return .enroll(stage: number(any))
        default: return .flood(dead: number(1...5), outputs: number(0...2), except: number(0...2))
        }
    }
}

extension ModelSettlement {
    static func random(using generator: inout SeededGenerator) -> ModelSettlement {
        switch Int.random(in: 0...15, using: &generator) {
        case ..<3: .all
        case ..<5: .prefix(Int.random(in: 1...3, using: &generator))
        case ..<7: .scattered(generator.next() % 256)
        case ..<9: .mixed(generator.next() % 65_536)
        case ..<11: .failAll(.random(using: &generator))
        case ..<13: .bury(Int.random(in: 0...9, using: &generator))
        case ..<15: .together(.random(using: &generator))
        default: .released
        }
    }
}

extension RetryAdvice {
    /// Mostly none.
    static func random(using generator: inout SeededGenerator) -> RetryAdvice {
        let wait = Duration.milliseconds([0, 1, 600, 5000][Int.random(in: 0...3, using: &generator)])
        return switch Int.random(in: 0...9, using: &generator) {
        case 0: .after(wait)
        case 1, 2: .postpone(wait)
        default: .backOff
        }
    }
}

extension WorkerEnding {
    static func random(using generator: inout SeededGenerator) -> WorkerEnding {
        switch Int.random(in: 0...9, using: &generator) {
        case 0: .finished
        case 1: .stopped
        case 2: .rebooted
        case 3: .silent
        case ..<7: .killed
        case 7: .crashed("signal 6")
        case 8: .failed(Failure("no disk", Int.random(in: 0...9, using: &generator) == 0 ? .never : .backOff))
        default: .timedOut("took too long")
        }
    }
}
