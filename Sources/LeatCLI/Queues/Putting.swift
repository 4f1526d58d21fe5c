internal import Dispatch
internal import Leat
internal import Synchronization
internal import UnixSignals

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// Puts what is on standard input, and tells how much of it whatever happens: so that one knows where to go on.
struct Putting: Sendable {
    let queue: Queue<[UInt8]>
    let input: ItemInput
    let due: Due
    let priority: Int
    private let progress: Progress

    private final class Progress: Sendable {
        struct State {
            var count: PutLine
            var isPutting = false
            var isStopped = false
        }
        let state: Mutex<State>
        init(_ queue: QueueName) { state = Mutex(State(count: PutLine(queue: queue))) }
    }

    init(queue: Queue<[UInt8]>, input: ItemInput, due: Due, priority: Int) {
        self.queue = queue
        self.input = input
        self.due = due
        self.priority = priority
        progress = Progress(queue.name)
    }

    /// - Returns: what was put.
    func run() async throws -> PutLine {
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        return try await withThrowingTaskGroup(of: PutLine?.self) { group in
            group.addTask {
                for await signal in signals { await end(by: signal) }
                return nil
            }
            group.addTask { try await put() }
            while let count = try await group.next() {
                guard let count else { continue }
                group.cancelAll()
                return count
            }
            return progress.state.withLock { $0.count }
        }
    }

    private func put() async throws -> PutLine {
        var input = input
        do {
            while let piece = try await next(&input) {
                // A signal is not to wait for that.
                try await queue.waitForRoom {
                    StandardError.write("Queue '\(queue.name)' holds as much as it may: waiting for room.")
                }
                let mayPut = progress.state.withLock { state in
                    state.isPutting = !state.isStopped
                    return state.isPutting
                }
                // The process is about to end.
                guard mayPut else { try await Task.sleep(for: .seconds(3600)); continue }
                defer { progress.state.withLock { $0.isPutting = false } }
                let put = try await queue.put(
                    piece.map { (value: $0.bytes, key: $0.key, group: $0.group) }, due: due, priority: priority)
                progress.state.withLock { state in
                    state.count.items += put
                    state.count.known += piece.count - put
                }
            }
        } catch {
            let count = progress.state.withLock { $0.count }
            if count.items > 0 { StandardError.write("Before the error: \(count.sentence).") }
            throw error
        }
        return progress.state.withLock { $0.count }
    }

    /// It waits for what is written, and must take no thread from those who look out for signals.
    private func next(_ input: inout ItemInput) async throws -> [ItemInput.Entry]? {
        let (piece, rest) = try await withCheckedThrowingContinuation { [input] continuation in
            DispatchQueue(label: "leat.input").async {
                continuation.resume(
                    with: Result {
                        var input = input
                        return (try input.next(), input)
                    })
            }
        }
        input = rest
        return piece
    }

    /// What is being put is waited for; what has not been read is not.
    private func end(by signal: UnixSignal) async {
        while true {
            let count = progress.state.withLock { state -> PutLine? in
                state.isStopped = true
                return state.isPutting ? nil : state.count
            }
            if let count {
                StandardError.write("Interrupted: \(count.sentence), in the order of the input; go on behind them.")
                exit(CommandStatus(of: signal).rawValue)
            }
            do { try await Task.sleep(for: .milliseconds(5)) } catch { return }
        }
    }
}
