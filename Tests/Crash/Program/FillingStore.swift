import Foundation
import Leat
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Fills the disk that the database is on, just before the Nth step of a kind; whichever process comes first does it.
final class FillingStore: ForwardingStore {
    enum Phase: String { case put, claim, acknowledge, complete }

    let base: any Store
    private let phase: Phase
    private let number: Int
    private let ballast: String
    private let count = Atomic(0)

    /// - Parameter order: the phase and the number, as in `claim:3`.
    init(_ base: any Store, _ order: String, beside database: String) throws {
        let words = order.split(separator: ":")
        guard words.count == 2, let phase = Phase(rawValue: String(words[0])), let number = Int(words[1]) else {
            throw LeatError(.refused, "'\(order)' is no phase and number, as in claim:3.")
        }
        self.base = base
        self.phase = phase
        self.number = number
        ballast = URL(filePath: database).deletingLastPathComponent().appending(path: "ballast").path
    }

    func emit(_ emission: Emission) async throws -> QueueName? {
        reach(emission.isLast ? .complete : .put)
        return try await base.emit(emission)
    }

    func claim(_ request: ClaimRequest) async throws -> Claim {
        reach(.claim)
        return try await base.claim(request)
    }

    func commit(_ step: Step, next: ClaimRequest?) async throws -> Claim? {
        if !step.outputs.isEmpty { reach(.acknowledge) }
        return try await base.commit(step, next: next)
    }

    private func reach(_ phase: Phase) {
        guard phase == self.phase, count.add(1, ordering: .relaxed).newValue == number else { return }
        fillDisk(ballast)
    }
}

/// Writes a file until not one more byte is taken. Nobody does it twice: whoever takes the file away leaves a mark.
private func fillDisk(_ path: String) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL, 0o600)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    guard access(path + ".gone", F_OK) != 0 else { return }
    var size = 1 << 16
    let zeros = [UInt8](repeating: 0, count: size)
    while size > 0 { if write(descriptor, zeros, size) <= 0 { size /= 2 } }
}
