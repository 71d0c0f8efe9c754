import StreamModel

extension EventSourceMapping {
    /// How a mapping batches, retries and gives up. Every setting has a safe default, so none needs to be set.
    ///
    /// The defaults differ from Lambda's where those lose records or block a shard: bisect and reports are on, a
    /// failing record is retried five times (about 15 seconds), and given-up records go to a dead-letter stream that is
    /// created together with the mapping. ``lambdaDefaults`` are Lambda's own.
    ///
    /// All settings are checked together when a mapping is created: ``validate()``.
    public struct Configuration: Hashable, Sendable {
        /// The maximum number of records in one batch: 1 to 10,000. Default 100, as Lambda's.
        public var batchSize = 100
        /// How long a batch may wait to fill, from the moment when its shard is free and its first record is available:
        /// 0 to 300 seconds. Default 0: a batch takes the records that are available. If very many shards get records
        /// at the same time, up to 50 ms may pass before they are read.
        public var batchWindow: Duration = .zero
        /// How many batches of one shard may be in flight at the same time (Lambda's `ParallelizationFactor`): 1 to 10.
        /// Default 1, as Lambda's.
        ///
        /// With more than 1 the records of a shard are handed to this many lanes by their partition keys. Records of one
        /// key keep their order; records of different keys don't. Each lane has batches, a batching window, retries and
        /// bisect of its own, so a failing record holds up only the keys of its lane. A mapping may get another factor
        /// when it runs again.
        public var parallelizationFactor = 1
        /// Divides the records of each shard into consecutive windows of this length by their arrival times, over which the
        /// function keeps a state (Lambda's `TumblingWindowInSeconds`): 1 millisecond to 900 seconds, in whole
        /// milliseconds; nil: no windows. Default nil.
        ///
        /// A window begins at a multiple of its length since 1970 in UTC. The state is stored in the commit that moves the
        /// checkpoint, so after a crash the function continues with the state that belongs to the next record. When the
        /// window has ended and all its records are done, the function is called once more, without records. Needs a
        /// function with windows, and a ``parallelizationFactor`` of 1.
        public var tumblingWindow: Duration?
        /// How many finished batches of a shard (with several lanes: of a lane) may lack their durable checkpoint when
        /// the next one is invoked: 1 to 100. Default 8.
        ///
        /// After a crash their records are delivered again. With more of them, a function that takes little time is
        /// called several times in a row, and one checkpoint follows for all; a function that takes a millisecond or more
        /// has its checkpoint written after each call, in the background.
        public var maximumUncheckpointedBatches = 8
        /// Which records the function gets (Lambda's `FilterCriteria`): those that match one pattern at least; none: all.
        /// At most 10 patterns. Default none.
        ///
        /// A record that matches none is passed over: it counts as done (``MappingStatistics/filteredOut``) and reaches
        /// neither the function nor the failure destination. Filters come before batching, so batch size, window and
        /// payload limit count only records that matched. A changed filter applies to records that are in no batch yet.
        public var filters: [FilterPattern] = []
        /// Whether the event of a function outside Swift has an entry for each user record of a record that the Kinesis
        /// Producer Library has aggregated. Default false: an aggregate is one entry, as on AWS.
        ///
        /// A function in Swift calls ``RecordBatch/deaggregated()`` instead. Batch size, filters, retries,
        /// checkpoints and the failure destination are of the records as they are stored; the payload limit is of the
        /// event that is sent.
        public var deaggregates = false
        /// How often a unit of records is retried before it is given up: 0 to 10,000; nil: until it succeeds or its
        /// records are too old. Default 5 (Lambda: no limit). Use nil instead of Lambda's -1, which is refused.
        public var maximumRetryAttempts: Int? = 5
        /// What becomes of records whose attempts are used up, or that can never succeed. Default
        /// ``WhenExhausted/giveUp``, as Lambda's.
        public var whenExhausted = WhenExhausted.giveUp
        /// The most records of one parked key that wait in each shard: 1 to 100,000,000. Default 10,000. At the bound the
        /// shard reads no further until the key is released or discarded.
        public var maximumParkedRecordsPerKey = 10_000
        /// The most records of parked keys that wait in each shard: 1 to 100,000,000. Default 1,000,000. At the bound the
        /// shard reads no further until keys are released or discarded.
        public var maximumParkedRecords = 1_000_000
        /// How many records of released keys are handed back to the function in a second, over all shards: 1 to 1,000,000; nil: as
        /// fast as the function takes them. Default nil. A redrive that runs keeps the rate that it began with.
        public var redriveRate: Int?
        /// Disables the mapping when more than this percentage of its records could not be processed within a minute: 1 to 99;
        /// nil: never. Default nil.
        ///
        /// Counted are the records that succeeded, and those that were given up or parked their keys because their attempts
        /// were used up or they can never succeed; at least 20 together. So a faulty release doesn't move a whole stream
        /// into its failure destination. The mapping goes on when somebody enables it; its history says why it was disabled.
        public var breaker: Int?
        /// The stream that gets the records that a function outside Swift returns, in the commit that says that the batch is
        /// done; nil: what it returns is ignored. Default nil.
        ///
        /// A stream of the same store, which is there, and not the mapping's own. In Swift a function returns records
        /// (``EventSourceMapping/init(_:from:into:startingAt:configuration:destination:concurrencyLimit:logger:function:)``) or adds them
        /// (``InvocationContext/add(_:to:from:)``).
        public var successStream: String?
        /// Records of this age or older are given up without being sent to the function: 60 seconds to 7 days; nil:
        /// only retention limits their age. Default nil, as Lambda's.
        public var maximumRecordAge: Duration?
        /// Whether a failed unit of several records is halved, so that only a bad record is retried and given up.
        /// Default true (Lambda: false).
        public var bisectOnError = true
        /// Whether the function may report which record failed (Lambda's `ReportBatchItemFailures`): with a
        /// ``BatchFailure``, or with `batchItemFailures` in a process's response. Default true (Lambda: false).
        public var reportsBatchItemFailures = true
        /// Where records go that are given up. Default: the mapping's own dead-letter stream (Lambda: none).
        public var failureDestination = Destination.deadLetterStream
        /// The pauses before retries. Default: 0.5 s, doubled each time, at most 60 s.
        public var backOff = BackOff()
        /// How long one invocation may take: 1 millisecond to 24 hours. Default 60 seconds. A function that takes
        /// longer is cancelled, which counts as a failure. Its shard continues only after the function has returned.
        public var functionTimeout = Duration.seconds(60)
        /// The maximum bytes of one invocation: 1,024 to 67,108,864; nil: no limit. Default 6 MiB, as Lambda's.
        ///
        /// Measured on the JSON event of functions outside Swift, and on the records' data for functions in Swift.
        /// A record that is larger by itself is given up without being sent.
        public var payloadLimit: Int? = 6 << 20
        /// How many invocations of the mapping may run at once, over all shards: 1 to 10,000; nil: as many as
        /// ``parallelizationFactor`` for each shard. Default nil.
        public var concurrency: Int?
        /// How long a graceful shutdown waits for running invocations before it cancels them: 0 to 3,600 seconds.
        /// Default 5 seconds. The next run delivers the records of cancelled invocations again.
        public var shutdownGrace = Duration.seconds(5)
        /// Whether failure documents count at least one invocation, as on AWS, also for records that were never sent.
        /// Default false: the true number (ESM-G3).
        public var awsCompatibleCounts = false
        /// Whether each metric of the mapping is there for each shard as well: under the prefix `shardline.shard.`, with
        /// the dimension `shard`. Default false, since a backend keeps about 26 series for each shard that the mapping
        /// has read, until the process ends. The page Metrics of the documentation lists them.
        public var shardMetrics = false
        /// The account in the ARNs of events and documents, 12 digits. Default `000000000000`.
        public var account = "000000000000"
        /// The region in the ARNs of events and documents. Default `us-east-1`.
        public var region = "us-east-1"

        /// The safe defaults.
        public init() {}

        /// Lambda's defaults: no bisect, no reports, unlimited retries, no destination.
        public static var lambdaDefaults: Configuration {
            var configuration = Configuration()
            configuration.maximumRetryAttempts = nil
            configuration.bisectOnError = false
            configuration.reportsBatchItemFailures = false
            configuration.failureDestination = .none
            return configuration
        }

        /// What becomes of records whose attempts are used up.
        ///
        /// As text: `give-up`, `park-key`, `pause-shard`.
        public enum WhenExhausted: String, Hashable, Sendable, CaseIterable {
            /// They go to the failure destination, and the records after them are processed.
            case giveUp = "give-up"
            /// They and all later records of their partition keys wait aside, in order, until the keys are released or
            /// discarded; records of other keys are processed. Records without a key are given up.
            ///
            /// Where a batch fails as a whole and is not bisected, the keys of all its records are parked. Records that are
            /// too old (``Configuration/maximumRecordAge``), expired or lost are given up. Can't be combined with tumbling
            /// windows, whose state is over all keys.
            case parkKey = "park-key"
            /// Their shard delivers nothing more until an operator resumes it (``StreamMapping/resume(_:givingUp:reason:by:)``),
            /// also after a crash: nothing is lost, and order is kept, while retention goes on. Records that are too old,
            /// expired or lost are given up.
            case pauseShard = "pause-shard"
        }

        /// The pauses before a unit is retried (ESM-A7).
        public struct BackOff: Hashable, Sendable {
            /// The pause before the first retry, doubled before each further one: 1 millisecond to 1 hour. Default 500
            /// ms.
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
        /// As text: `dead-letter-stream`, `stream:NAME`, `file:PATH`, `own:TEXT`, `none`.
        public enum Destination: Hashable, Sendable, LosslessStringConvertible {
            /// A stream `{stream}.{mapping}.failed` in the same store, created together with the mapping. It has as
            /// many shards as the source has open ones, at most 4, and a retention of 14 days.
            ///
            /// No other mapping has it by default: if the mapping's name has dots, their number is appended, as in
            /// `orders.totals.v2.failed.1`. The mapping keeps the name, see ``EventSourceMapping/failureStream``. If a
            /// stream of that name exists and was not created for failures, creating the mapping throws
            /// `invalidArgument`.
            case deadLetterStream
            /// A stream of the same store, not the source itself. It is created like a dead-letter stream if it doesn't
            /// exist.
            case stream(named: String)
            /// A file with one JSON document on each line, appended and synced before the checkpoint moves.
            case file(String)
            /// The ``FailureDestination`` that the mapping is made with, described by a text for listings. A mapping that is
            /// made without one throws `invalidArgument`.
            case own(String)
            /// The records are dropped and counted.
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
                } else if text.hasPrefix("own:") {
                    self = .own(String(text.dropFirst(4)))
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
                case .own(let text): "own:\(text)"
                case .none: "none"
                }
            }
        }
    }
}
