internal import Logging

/// Tries a step of the store again as long as only room or the lock is wanting: what it commits is done, and is not to
/// be done again for that.
///
/// A stop cuts the waiting short; the step is tried once more then.
struct StorePatience: Sendable {
    let time: any TimeSource
    let stop: StopSignal
    let logger: Logger

    func trying<Value: Sendable>(_ step: @escaping @Sendable () async throws -> Value) async throws -> Value {
        var isTold = false
        while true {
            do {
                let value = try await step()
                if isTold { logger.notice("Going on.") }
                return value
            } catch let error where error.isPassing && !stop.isAsked {
                if !isTold { logger.error("Waiting, and trying again every second: \(error)") }
                isTold = true
                try await cutShort { [time] in try await time.sleep(for: .seconds(1)) }
            }
        }
    }

    /// Runs something that only waits, and ends it early when a stop is asked for.
    ///
    /// - Returns: `nil` when it was cut short.
    @discardableResult
    func cutShort<Value: Sendable>(_ wait: @escaping @Sendable () async throws -> Value) async throws -> Value? {
        do {
            return try await cuttingShortAtShutdown(wait)
        } catch is CancellationError {
            return nil
        }
    }
}
