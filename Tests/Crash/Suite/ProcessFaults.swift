import Testing

/// The tests that keep all cores busy with faults: one after the other, so that none takes another's delay for a fault.
@Suite("Faults", .serialized)
enum ProcessFaults {}
