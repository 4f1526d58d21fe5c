internal import Leat

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

extension Payload {
    /// A payload in a line of JSON: as text, or in base 64 when it is not text.
    var jsonFields: (text: String?, base64: String?) {
        switch self {
        case .text(let text): (text, nil)
        case .blob(let bytes): (nil, Data(bytes).base64EncodedString())
        }
    }
}
