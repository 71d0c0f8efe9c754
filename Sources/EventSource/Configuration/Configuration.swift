import StreamModel

extension EventSourceMapping {
    /// How a mapping batches, retries and gives up. Every setting has a safe default, so none needs to be set.
    ///
    /// The defaults differ from Lambda's where those lose or block: bisect and reports are on, a failing record is
    /// retried five times (about 15 seconds), and what is given up goes to a dead-letter stream that is made together
    /// with the mapping. ``lambdaDefaults`` are Lambda's own.
    ///
    /// Settings are checked when a mapping is made, all at once: ``validate()``.
    public struct Configuration: Hashable, Sendable {
        /// The most records in one batch: 1 to 10,000. Default 100, as Lambda's.
        public var batchSize = 100
        /// How long a batch may wait to fill, from the moment its shard is free and its first record is there:
        /// 0 to 300 seconds. Default 0: a batch is what is there. Where very many shards get records at once, up to 20
        /// ms may pass before those are read.
        public var batchWindow: Duration = .zero
        /// How often a unit of records is tried again before it is given up: 0 to 10,000; nil: until it succeeds or
        /// its records are too old. Default 5 (Lambda: no limit). Lambda's -1 is nil here, and refused as a number.
        public var maximumRetryAttempts: Int? = 5
        /// Records older than this are given up without being sent to the function: 60 seconds to 7 days; nil: only
        /// retention ends them. Default nil, as Lambda's.
        public var maximumRecordAge: Duration?
        /// Whether a failed unit of several records is halved, so that only a bad record is retried and given up.
        /// Default true (Lambda: false).
        public var bisectOnError = true
        /// Whether the function's word on which record failed counts (Lambda's `ReportBatchItemFailures`): a
        /// ``BatchFailure``, or `batchItemFailures` in a process's answer. Default true (Lambda: false).
        public var reportsBatchItemFailures = true
        /// Where records go that are given up. Default: a dead-letter stream of the mapping's own (Lambda: none).
        public var failureDestination = Destination.deadLetterStream
        /// The pauses before retries. Default: 0.5 s, doubled each time, at most 60 s.
        public var backOff = BackOff()
        /// How long one invocation may take: 1 millisecond to 24 hours. Default 60 seconds. A function that takes
        /// longer is cancelled, which counts as a failure; its shard goes on only when it has really ended.
        public var functionTimeout = Duration.seconds(60)
        /// The most bytes of one invocation: 1,024 to 67,108,864; nil: no limit. Default 6 MiB, as Lambda's.
        ///
        /// Measured on the JSON event of functions outside Swift, and on the records' data for functions in Swift.
        /// A record that is larger by itself is given up without being sent.
        public var payloadLimit: Int? = 6 << 20
        /// How many invocations of the mapping may run at once, over all shards: 1 to 10,000; nil: one a shard.
        /// Default nil.
        public var concurrency: Int?
        /// How long a graceful shutdown waits for running invocations before it cancels them: 0 to 3,600 seconds.
        /// Default 5 seconds. What is cancelled is delivered again by the next run.
        public var shutdownGrace = Duration.seconds(5)
        /// Whether failure documents count at least one invocation, as on AWS, also for records that were never sent.
        /// Default false: the true number (ESM-G3).
        public var awsCompatibleCounts = false
        /// The account, 12 digits, that stands in the ARNs of events and documents. Default `000000000000`.
        public var account = "000000000000"
        /// The region that stands in the ARNs of events and documents. Default `us-east-1`.
        public var region = "us-east-1"

        /// The safe defaults.
        public init() {}

        /// What Lambda does when nothing is set: no bisect, no reports, retries without end, no destination.
        public static var lambdaDefaults: Configuration {
            var configuration = Configuration()
            configuration.maximumRetryAttempts = nil
            configuration.bisectOnError = false
            configuration.reportsBatchItemFailures = false
            configuration.failureDestination = .none
            return configuration
        }

        /// The pauses before a unit is tried again (ESM-A7).
        public struct BackOff: Hashable, Sendable {
            /// The pause before the first retry; doubled before each further one: 1 millisecond to 1 hour.
            /// Default 500 ms.
            public var first: Duration
            /// The longest pause: `first` to 24 hours. Default 60 seconds.
            public var longest: Duration

            /// Pauses from `first`, doubled up to `longest`; each is varied by up to a tenth.
            public init(first: Duration = .milliseconds(500), longest: Duration = .seconds(60)) {
                self.first = first
                self.longest = longest
            }
        }

        /// Where records go that are given up.
        ///
        /// As text: `dead-letter-stream`, `stream:NAME`, `file:PATH`, `none`.
        public enum Destination: Hashable, Sendable, LosslessStringConvertible {
            /// A stream `{stream}.{mapping}.failed` in the same store, made together with the mapping: as many shards
            /// as the source has, at most 4; retention 14 days.
            ///
            /// No other mapping has it by default: where the mapping's own name has dots, their number stands at the end,
            /// such as `orders.totals.v2.failed.1`. The name stays the mapping's, see
            /// ``EventSourceMapping/failureStream``. A stream of that name that was not made for failures is not used: then
            /// the mapping is not made, and the error says so.
            case deadLetterStream
            /// A stream of the same store, made like a dead-letter stream if it isn't there; not the source itself.
            case stream(named: String)
            /// A file with one JSON document a line, appended to and synced before the checkpoint moves.
            case file(String)
            /// The records are dropped, and counted.
            case none

            /// Reads the text form; nil for anything else.
            public init?(_ text: String) {
                if text == "dead-letter-stream" {
                    self = .deadLetterStream
                } else if text == "none" {
                    self = .none
                } else if text.hasPrefix("stream:") {
                    self = .stream(named: String(text.dropFirst(7)))
                } else if text.hasPrefix("file:") {
                    self = .file(String(text.dropFirst(5)))
                } else {
                    return nil
                }
            }

            /// The text form.
            public var description: String {
                switch self {
                case .deadLetterStream: "dead-letter-stream"
                case .stream(let name): "stream:\(name)"
                case .file(let path): "file:\(path)"
                case .none: "none"
                }
            }
        }
    }
}
