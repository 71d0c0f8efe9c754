import ArgumentParser
import StreamModel

#if Server
import KinesisServer
#endif

/// `shardline serve`
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Serve the store as Amazon Kinesis, to unmodified AWS clients.",
        discussion: """
            Clients reach the store over HTTP/1.1 and HTTP/2 as they reach Amazon Kinesis. What it prints first is the \
            address, and the environment variables with which AWS clients find it:

              shardline serve --data ./data --port 4567
              export AWS_ENDPOINT_URL_KINESIS=http://127.0.0.1:4567

            It makes a store where there is none, and owns it until it ends; meanwhile put, tail, stream and mapping work on it from other \
            terminals. Without --credentials it listens on this machine alone and takes any key. \
            GET /health, /ready and /metrics tell of it.

            A setting that no option gives is taken from the environment (SHARDLINE_SERVE_PORT for --port, and so on), \
            then from the file of --config, a JSON object such as {"port": 4567, "shard-limit": 100}.

            Ctrl-C and SIGTERM let running requests end (--shutdown-grace), close the store and end with exit code 0; a second one ends at once.
            """)

    @OptionGroup var options: ServeOptions
    @OptionGroup var store: StoreOptions

    func run() async throws {
        #if Server
        try await ServeRun(options: options, store: store).run()
        #else
        throw CommandFailure(
            .usage,
            "this shardline was built without the server; in its source folder, `make serve` builds and runs one that has it, and `make install` installs it"
        )
        #endif
    }
}
