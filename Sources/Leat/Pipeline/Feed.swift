internal import Synchronization

/// A bounded buffer between the task that runs an asynchronous sequence and the one that commits its values.
///
/// `take` returns when the buffer is full, when somebody asked to flush what is there, or at the end. One task puts, one
/// takes.
final class Feed<Value: Sendable>: Sendable {
    struct Taken: Sendable {
        var values: [Value]
        /// The sequence is at its end, or failed with `error`.
        var isEnd: Bool
        var error: (any Error)?
        /// Nothing more will come, since a stop was asked for.
        var isStopped: Bool
    }

    private struct State {
        var values: [Value] = []
        var isEnded = false
        var error: (any Error)?
        /// The taker wants nothing more.
        var isStopped = false
        var isFlushed = false
        var taker: CheckedContinuation<Void, Never>?
        var putter: CheckedContinuation<Void, Never>?
    }

    private let limit: Int
    private let state = Mutex(State())

    init(limit: Int) { self.limit = limit }

    /// Adds a value, and waits while the buffer is full.
    ///
    /// - Returns: whether more is wanted.
    func put(_ value: Value) async -> Bool {
        let (isFull, taker) = state.withLock { state -> (Bool, CheckedContinuation<Void, Never>?) in
            guard !state.isStopped else { return (false, nil) }
            state.values.append(value)
            let isFull = state.values.count >= limit
            return (isFull, isFull ? state.taker.take() : nil)
        }
        taker?.resume()
        if isFull {
            await withCheckedContinuation { continuation in
                let mayGoOn = state.withLock { state in
                    if state.isStopped || state.values.count < limit { return true }
                    state.putter = continuation
                    return false
                }
                if mayGoOn { continuation.resume() }
            }
        }
        return state.withLock { !$0.isStopped }
    }

    /// The sequence has ended.
    func end(_ error: (any Error)?) {
        state.withLock { state in
            state.isEnded = true
            state.error = error
            return state.taker.take()
        }?.resume()
    }

    /// Hands over what is there, full or not.
    func flush() {
        state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard !state.values.isEmpty else { return nil }
            state.isFlushed = true
            return state.taker.take()
        }?.resume()
    }

    /// Wakes the taker with what is there, and has the putter give up.
    func stop() {
        let (taker, putter) = state.withLock { state in
            state.isStopped = true
            return (state.taker.take(), state.putter.take())
        }
        taker?.resume()
        putter?.resume()
    }

    /// Waits for a full buffer, a flush, the end, or a stop.
    func take() async -> Taken {
        await withCheckedContinuation { continuation in
            let mayGoOn = state.withLock { state in
                if state.isStopped || state.isEnded || state.isFlushed || state.values.count >= limit { return true }
                state.taker = continuation
                return false
            }
            if mayGoOn { continuation.resume() }
        }
        let (taken, putter) = state.withLock { state in
            let isEnd = state.isEnded && !state.isStopped
            let taken = Taken(
                values: state.values, isEnd: isEnd, error: isEnd ? state.error : nil, isStopped: state.isStopped)
            state.values = []
            state.isFlushed = false
            return (taken, state.putter.take())
        }
        putter?.resume()
        return taken
    }
}
