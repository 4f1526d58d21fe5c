/// The 64-bit FNV-1a hash of the bytes that were added so far.
///
/// The same bytes in the same order have the same hash, on every machine and in
/// every run, which `Hasher` does not promise. It notices accidents; it is no
/// protection against somebody who wants two texts to have one hash.
///
/// Source: Fowler, Noll and Vo, <http://www.isthe.com/chongo/tech/comp/fnv/>.
package struct FNV1a: Sendable, Hashable {
    package private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

    package init() {}

    package mutating func add(_ bytes: some Sequence<UInt8>) {
        for byte in bytes {
            value = (value ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
        }
    }

    /// 16 hexadecimal digits.
    package var text: String { hexadecimal(value) }
}
