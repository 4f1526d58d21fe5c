/// Where a recurring producer stands.
struct MemorySchedule: Sendable {
    let queue: QueueName
    /// The last tick that has its item.
    var last: Int64
}

extension MemoryState {
    mutating func begin(_ name: ScheduleName, into queue: QueueName, at moment: MemoryMoment) throws -> Int64 {
        _ = try place(of: queue)
        let schedule = schedules[name] ?? MemorySchedule(queue: queue, last: moment.wallClock)
        guard schedule.queue == queue else { throw name.isOfAnother(queue: schedule.queue, wanted: queue) }
        schedules[name] = schedule
        return schedule.last
    }

    mutating func put(
        _ outputs: [Output], at tick: Int64, of name: ScheduleName, after last: Int64, _ moment: MemoryMoment
    ) throws -> Bool {
        guard schedules[name]?.last == last else { return false }
        _ = try put(outputs, at: moment)
        schedules[name]?.last = tick
        return true
    }
}

extension ScheduleName {
    package func isOfAnother(queue: QueueName, wanted: QueueName) -> LeatError {
        LeatError(
            .refused,
            "Schedule '\(self)' puts into queue '\(queue)', so it can't put into '\(wanted)'; give one of them another name."
        )
    }
}
