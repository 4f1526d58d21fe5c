// swift-tools-version: 6.2

import PackageDescription

// `.ci/run` sets it: a warning in one of our targets stops the build. SwiftPM leaves dependencies out of this.
let warnings: [SwiftSetting] = Context.environment["LEAT_STRICT"] == nil ? [] : [.treatAllWarnings(as: .error)]

// One block of settings for every target; a target that needs another one is a design to look at twice.
let settings: [SwiftSetting] =
    warnings + [
        .swiftLanguageMode(.v6),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    ]

let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let metrics: Target.Dependency = .product(name: "CoreMetrics", package: "swift-metrics")
let tracing: Target.Dependency = .product(name: "Tracing", package: "swift-distributed-tracing")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let signals: Target.Dependency = .product(name: "UnixSignals", package: "swift-service-lifecycle")
let subprocess: Target.Dependency = .product(name: "Subprocess", package: "swift-subprocess")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")
// The type of swift-subprocess's file descriptors; on Darwin it comes with the system.
let system: Target.Dependency = .product(
    name: "SystemPackage", package: "swift-system", condition: .when(platforms: [.linux]))

let package = Package(
    name: "leat",
    platforms: [.macOS(.v15)],
    products: [
        .library(name: "Leat", targets: ["Leat"]),
        .library(name: "LeatSQLite", targets: ["LeatSQLite"]),
        .library(name: "LeatCLI", targets: ["LeatCLI"]),
        .library(name: "LeatTesting", targets: ["LeatTesting"]),
        .executable(name: "leat", targets: ["leat-command"]),
    ],
    dependencies: [
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.10.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.10.0"),
        .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.10.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.0", traits: []),
        .package(url: "https://github.com/apple/swift-system", from: "1.6.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
    ],
    targets: [
        .target(name: "Leat", dependencies: [logging, lifecycle, metrics, tracing], swiftSettings: settings),
        .target(name: "CLeatSQLite", linkerSettings: [.linkedLibrary("sqlite3")]),
        .target(
            name: "LeatSQLite",
            dependencies: ["Leat", "CLeatSQLite", grdb, .product(name: "GRDBSQLite", package: "GRDB.swift")],
            resources: [.embedInCode("Migrations")],
            swiftSettings: settings
        ),
        .target(name: "LeatProcess", dependencies: ["Leat", lifecycle, subprocess, system], swiftSettings: settings),
        .target(
            name: "LeatSupervisor",
            dependencies: ["Leat", "LeatProcess", lifecycle, signals, logging],
            swiftSettings: settings
        ),
        .target(
            name: "LeatCommands", dependencies: ["Leat", "LeatProcess", lifecycle, logging, yams],
            swiftSettings: settings),
        .target(
            name: "LeatCLI",
            dependencies: [
                "Leat", "LeatCommands", "LeatSQLite", "LeatProcess", "LeatSupervisor", arguments, lifecycle, signals,
                logging,
            ],
            swiftSettings: settings
        ),
        .target(name: "LeatTesting", dependencies: ["Leat", logging], swiftSettings: settings),
        // Not named `leat`: where file names ignore case its module would overwrite Leat's.
        .executableTarget(name: "leat-command", dependencies: ["LeatCLI"], swiftSettings: settings),
        .target(
            name: "FlightsPipeline",
            dependencies: ["Leat", "LeatSQLite", grdb],
            path: "Examples/Flights/Pipeline",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "flights",
            dependencies: ["FlightsPipeline", "Leat", "LeatCLI"],
            path: "Examples/Flights/Program",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "flights-check",
            dependencies: ["FlightsPipeline", "LeatSQLite", arguments],
            path: "Examples/Flights/Check",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "squares",
            dependencies: ["Leat", "LeatCLI", "LeatSQLite", grdb],
            path: "Examples/Squares",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "api-enrichment",
            dependencies: ["Leat", "LeatCLI", "LeatSQLite", grdb],
            path: "Examples/ApiEnrichment",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "hello-queue",
            dependencies: ["Leat", "LeatSQLite"],
            path: "Examples/HelloQueue",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "outbox-service",
            dependencies: ["Leat", "LeatSQLite", grdb, lifecycle, logging, signals],
            path: "Examples/OutboxService",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "foreign-writer",
            dependencies: ["Leat", "LeatSQLite", grdb],
            path: "Examples/ForeignWriter",
            exclude: ["foreign.py"],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "leat-crash",
            dependencies: ["Leat", "LeatCLI", "LeatSQLite", "LeatTesting", grdb],
            path: "Tests/Crash/Program",
            swiftSettings: settings
        ),
        .target(name: "BenchRecord", path: "Tests/Benchmarks/Record", linkerSettings: [.linkedLibrary("sqlite3")]),
        .target(name: "BenchRaw", path: "Tests/Benchmarks/Raw", linkerSettings: [.linkedLibrary("sqlite3")]),
        .executableTarget(name: "leat-bench-replay", dependencies: ["BenchRaw"], path: "Tests/Benchmarks/Replay"),
        .executableTarget(name: "leat-bench-rows", dependencies: ["BenchRaw"], path: "Tests/Benchmarks/Rows"),
        .executableTarget(
            name: "leat-bench-pipeline", dependencies: ["BenchRaw", "CLeatSQLite"], path: "Tests/Benchmarks/Pipeline"),
        .executableTarget(
            name: "leat-bench-store",
            dependencies: ["BenchRecord", "BenchValues", "Leat", "LeatSQLite", arguments],
            path: "Tests/Benchmarks/Store",
            swiftSettings: settings
        ),
        .target(
            name: "BenchValues", dependencies: ["Leat"], path: "Tests/Benchmarks/Values", swiftSettings: settings),
        .executableTarget(
            name: "leat-bench-throughput",
            dependencies: ["BenchValues", "Leat", "LeatCLI"],
            path: "Tests/Benchmarks/Throughput",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "leat-bench-bounded",
            dependencies: ["Leat", "LeatCLI"],
            path: "Tests/Benchmarks/Bounded",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "leat-bench-wake",
            dependencies: ["Leat", "LeatSQLite", grdb],
            path: "Tests/Benchmarks/Wake",
            swiftSettings: settings
        ),
        // The shim between SQLite and the system, for the fault tests alone.
        .target(name: "FaultVFS", path: "Tests/Faults/VFS", linkerSettings: [.linkedLibrary("sqlite3")]),
        .target(
            name: "FaultWorkload",
            dependencies: ["Leat", "LeatSQLite", grdb],
            path: "Tests/Faults/Workload",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "leat-fault-worker",
            dependencies: ["FaultVFS", "FaultWorkload", "Leat", "LeatSQLite"],
            path: "Tests/Faults/Program",
            swiftSettings: settings
        ),
        .target(name: "Torture", dependencies: ["LeatTesting"], path: "Tests/Torture", swiftSettings: settings),
        .target(
            name: "FuzzTargets",
            dependencies: ["Leat", "LeatCLI", "LeatCommands", "LeatSQLite", arguments],
            path: "Tests/Fuzz/Targets",
            swiftSettings: settings
        ),
        .testTarget(
            name: "FuzzTests",
            dependencies: ["FuzzTargets", "Leat", "LeatTesting", "Torture", grdb],
            path: "Tests/Fuzz/Suite",
            swiftSettings: settings
        ),
        .testTarget(
            name: "LeatTests",
            dependencies: [
                "Leat", "LeatTesting", "Torture", lifecycle, logging, metrics, tracing,
                .product(name: "MetricsTestKit", package: "swift-metrics"),
                .product(name: "InMemoryTracing", package: "swift-distributed-tracing"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "ExampleTests",
            dependencies: [
                "FlightsPipeline", "Leat", "LeatProcess", "LeatSQLite", "LeatTesting", "api-enrichment", "flights",
                "foreign-writer", "hello-queue", "leat-command", "outbox-service", "squares", grdb, logging, subprocess,
                system,
            ],
            exclude: ["score-api.py", "site-server.py"],
            swiftSettings: settings
        ),
        .testTarget(name: "LeatProcessTests", dependencies: ["Leat", "LeatProcess"], swiftSettings: settings),
        .testTarget(
            name: "LeatCommandsTests",
            dependencies: ["Leat", "LeatCommands", "LeatProcess", logging],
            swiftSettings: settings
        ),
        .testTarget(name: "LeatSupervisorTests", dependencies: ["Leat", "LeatSupervisor"], swiftSettings: settings),
        .testTarget(
            name: "LeatCLITests",
            dependencies: [
                "Leat", "LeatCLI", "LeatCommands", "LeatProcess", "LeatSQLite", "LeatSupervisor", "LeatTesting",
                "Torture", "leat-command", arguments,
                grdb, logging, signals, subprocess, system,
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "LeatSQLiteTests",
            dependencies: [
                "CLeatSQLite", "Leat", "LeatCLI", "LeatSQLite", "LeatTesting", "Torture", grdb, lifecycle, logging,
                metrics, signals, tracing,
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "CrashTests",
            dependencies: [
                "Leat", "LeatProcess", "LeatSQLite", "LeatTesting", "Torture", "leat-crash", grdb, subprocess, system,
            ],
            path: "Tests/Crash/Suite",
            swiftSettings: settings
        ),
        .testTarget(
            name: "FaultTests",
            dependencies: [
                "FaultVFS", "FaultWorkload", "Leat", "LeatProcess", "LeatSQLite", "LeatTesting", "Torture",
                "leat-fault-worker", grdb, .product(name: "GRDBSQLite", package: "GRDB.swift"), subprocess, system,
            ],
            path: "Tests/Faults/Suite",
            swiftSettings: settings
        ),
    ]
)

// `make fuzz` sets it: the fuzzer's own library comes with `-sanitize=fuzzer` alone.
if Context.environment["LEAT_FUZZ"] != nil {
    package.targets.append(
        .executableTarget(
            name: "leat-fuzz", dependencies: ["FuzzTargets"], path: "Tests/Fuzz/Program", swiftSettings: settings))
}
