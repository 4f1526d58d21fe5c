internal import GRDB
internal import Leat
internal import Synchronization

/// What has been found that must stop every write: a damaged file, or a disk that did not keep what it was given.
///
/// After a failed `fsync` the system may have dropped what it could not write and report success the next time
/// (https://lwn.net/Articles/752063/), and a write into a damaged file spreads the damage. So nothing is tried again,
/// and nothing repaired: the files are kept as they are, for a person.
final class Damage: Sendable {
    private let found = Mutex<LeatError?>(nil)

    /// - Throws: what was found, if anything.
    func check() throws {
        if let error = found.withLock({ $0 }) { throw error }
    }

    /// Keeps an error that is of this kind, the first one.
    func note(_ error: any Error) {
        guard let error = error as? LeatError, error.code == .damaged else { return }
        found.withLock { $0 = $0 ?? error }
    }
}
