import Testing

/// All fault tests, one after the other: what they let fail is the whole process's.
@Suite("Faults", .serialized)
enum Faults {}
