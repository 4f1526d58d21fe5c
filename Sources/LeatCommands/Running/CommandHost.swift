internal import Leat
package import LeatProcess
package import Logging
internal import Synchronization

/// What the commands of a process have in common: the guardian that ends them with it, and where their words go.
package final class CommandHost: Sendable {
    private let start: @Sendable () throws -> Guardian?
    private let state = Mutex<Guardian?>(nil)
    let logger: Logger
    /// The environment in which this process was started.
    let environment: [String: String]

    /// - Parameters:
    ///   - environment: what commands inherit some variables of.
    ///   - logger: takes what commands write on standard error.
    ///   - guardian: starts one, before the first command; `nil` where commands need none.
    package init(
        environment: [String: String], logger: Logger, guardian: @escaping @Sendable () throws -> Guardian? = { nil }
    ) {
        self.environment = environment
        self.logger = logger
        start = guardian
    }

    /// The guardian, which is started when it is first needed.
    func guardian() throws -> Guardian? {
        try state.withLock { guardian in
            if guardian == nil { guardian = try start() }
            return guardian
        }
    }
}
