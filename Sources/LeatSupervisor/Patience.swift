internal import Leat
package import Logging
internal import Synchronization

/// Tries again what a full disk, or another program's long transaction, holds up.
///
/// It says so once, and tries as often as it takes, until it is cancelled or ``giveUp()`` is called: then the error is
/// handed on. All other errors are handed on at once.
package final class Patience: Sendable {
    private let pause: Duration
    private let logger: Logger
    private let state = Mutex(State())

    private struct State {
        var naps: Set<Task<Void, Never>> = []
        var isOver = false
    }

    /// - Parameter pause: how long it waits between two tries.
    package init(pause: Duration, logger: Logger = Logger(label: "leat.supervisor")) {
        self.pause = pause
        self.logger = logger
    }

    package func callAsFunction<Value>(_ work: () async throws -> Value) async throws -> Value {
        var hasSaidSo = false
        while true {
            do {
                return try await work()
            } catch let error as LeatError where error.code == .busy || error.code == .diskFull {
                guard !Task.isCancelled, !state.withLock({ $0.isOver }) else { throw error }
                if !hasSaidSo { logger.warning("\(printable(error.description)) It is tried again until it succeeds.") }
                hasSaidSo = true
                await nap()
            }
        }
    }

    /// Lets all that wait try again now.
    package func wake() {
        for nap in state.withLock({ $0.naps }) { nap.cancel() }
    }

    /// From now on nothing is tried again; what waits is tried once more.
    package func giveUp() {
        state.withLock { $0.isOver = true }
        wake()
    }

    private func nap() async {
        let nap = Task { [pause] in
            do { try await Task.sleep(for: pause) } catch { /* It was woken. */  }
        }
        let isOver = state.withLock { state in
            state.naps.insert(nap)
            return state.isOver
        }
        if isOver { nap.cancel() }
        await withTaskCancellationHandler {
            await nap.value
        } onCancel: {
            nap.cancel()
        }
        state.withLock { _ = $0.naps.remove(nap) }
    }
}
