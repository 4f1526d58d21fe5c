/// What a service that works on a queue does next: its decisions, apart from the store, the tasks and the clock.
struct QueueDesk {
    enum Action: Equatable {
        /// Ask the store for at most so many items.
        case claim(upTo: Int)
        /// Begin to wait for a commit, or until something is due.
        case look(due: Duration?)
        /// Wait for the next event.
        case wait
        /// Nothing is in hand, and nothing more is to be claimed.
        case finish
    }

    /// The store's answer to a claim.
    enum Answer: Equatable {
        case granted(Int)
        case empty(dueIn: Duration?)
        case finished
    }

    private enum Supply: Equatable {
        /// There may be something.
        case open
        /// There was nothing; nobody looks out yet.
        case empty(dueIn: Duration?)
        /// Somebody looks out.
        case awaited
        /// Nothing more is to be had, or wanted.
        case over
    }

    private let places: Int
    private var taken = 0
    private var supply = Supply.open
    /// A look that was begun ends with an event, wanted or not.
    private var isLooking = false

    init(places: Int) { self.places = places }

    var isFull: Bool { taken >= places }

    mutating func next() -> Action {
        switch supply {
        case .open: return taken < places ? .claim(upTo: places - taken) : .wait
        case .empty(let due):
            supply = .awaited
            if isLooking { return .wait }
            isLooking = true
            return .look(due: due)
        case .awaited: return .wait
        case .over: return taken > 0 || isLooking ? .wait : .finish
        }
    }

    mutating func answered(_ answer: Answer) {
        guard supply != .over else {
            if case .granted(let count) = answer { taken += count }
            return
        }
        switch answer {
        case .granted(let count): taken += count
        case .empty(let due): supply = .empty(dueIn: due)
        // What is in hand may fail, and come back.
        case .finished: supply = taken > 0 ? .awaited : .over
        }
    }

    /// A place is free again, and what its item was, or what waited for it, may be ready.
    mutating func handled() {
        taken -= 1
        if supply == .awaited { supply = .open }
    }

    mutating func looked() {
        isLooking = false
        if supply == .awaited { supply = .open }
    }

    mutating func stop() { supply = .over }
}

extension QueueClaim {
    var answer: QueueDesk.Answer {
        switch self {
        case .granted(let batch): .granted(batch.items.count)
        case .empty(let due): .empty(dueIn: due)
        case .finished: .finished
        }
    }
}
