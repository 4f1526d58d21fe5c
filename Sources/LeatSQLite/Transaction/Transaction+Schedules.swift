internal import Leat

/// Recurring producers: a tick and its item are one transaction.
extension Transaction {
    func begin(_ name: ScheduleName, into queue: QueueName) throws -> Int64 {
        _ = try taker(of: queue)
        try sql(Self.newScheduleQuery).run(.text(name.rawValue), .text(queue.rawValue), .int(now))
        let found = try sql(Self.scheduleQuery).first(.text(name.rawValue)) {
            (queue: $0.text(0), last: $0.int(1))
        }
        guard let found else { throw LeatError(.storeFailed, "Schedule '\(name)' is not there; run verify.") }
        guard found.queue == queue.rawValue else {
            throw name.isOfAnother(queue: try QueueName(checking: found.queue), wanted: queue)
        }
        return found.last
    }

    func put(_ outputs: [Output], at tick: Int64, of name: ScheduleName, after last: Int64) throws -> Bool {
        try sql(Self.tickQuery).run(.text(name.rawValue), .int(last), .int(tick))
        guard sql.changes == 1 else { return false }
        try put(outputs, from: nil)
        return true
    }

    private static let newScheduleQuery = Query(
        "INSERT INTO leat_schedules (name, queue, last_tick) VALUES (?1, ?2, ?3) ON CONFLICT (name) DO NOTHING")
    private static let scheduleQuery = Query("SELECT queue, last_tick FROM leat_schedules WHERE name = ?1")
    private static let tickQuery = Query(
        "UPDATE leat_schedules SET last_tick = ?3 WHERE name = ?1 AND last_tick = ?2")
}
