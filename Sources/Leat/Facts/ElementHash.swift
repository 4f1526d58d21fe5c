/// A hash of the elements of a sequence that were added so far: of their bytes, and of where each ends.
///
/// The same elements in the same order have the same hash, on every machine and in every run. It notices accidents; it is
/// no protection against somebody who wants two sequences to have one hash. It is FNV-1a with a word of eight bytes where
/// that takes one (``FNV1a``), each folded once, since a product carries nothing down: a source's elements are hashed as
/// they are put, each byte of each.
package struct ElementHash: Sendable, Hashable {
    package private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

    package init() {}

    package mutating func add(_ element: UnsafeRawBufferPointer) {
        mix(UInt64(element.count))
        let words = element.count / 8
        for index in 0..<words {
            mix(UInt64(littleEndian: element.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self)))
        }
        guard element.count > words * 8 else { return }
        var rest: UInt64 = 0
        for byte in element[(words * 8)...].reversed() { rest = rest << 8 | UInt64(byte) }
        mix(rest)
    }

    private mutating func mix(_ word: UInt64) {
        value = (value ^ word) &* 0x0000_0100_0000_01b3
        value ^= value >> 32
    }

    package var text: String { hexadecimal(value) }
}

/// 16 hexadecimal digits.
func hexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
}
