public import Testing
import TestSupport

/// Runs each test of a suite on a `RestingExecutor` of its own.
public struct RestingExecutorTrait: SuiteTrait, TestTrait, TestScoping {
    public let isRecursive = true

    public func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable @concurrent () async throws -> Void
    ) async throws {
        try await RestingExecutor.run(function)
    }
}

extension Trait where Self == RestingExecutorTrait {
    /// Runs each test of a suite on a `RestingExecutor` of its own.
    public static var restingExecutor: RestingExecutorTrait { RestingExecutorTrait() }
}
