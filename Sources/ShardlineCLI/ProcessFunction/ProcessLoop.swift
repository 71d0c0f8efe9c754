import CProcess
import DiskAccess
import Glibc
import StreamModel

/// The loop of a ``ProcessWorker``'s thread; only that thread uses it.
struct ProcessLoop {
    private let settings: ProcessWorker.Settings
    private let wakeEnd: Int32
    private var child: ChildProcess?
    private var event: ProcessWorker.Event?
    private var isCancelled = false
    private var isRestartWanted = false
    private var stop: ProcessWorker.Stop?
    /// The part of the event that still has to be written.
    private var unsent: ArraySlice<UInt8> = []
    /// The bytes of the event that were written.
    private var sent = 0
    /// The end of the event is held back until the child has begun to read it; for a new child, until it has read
    /// everything before the end. Output before that answers nothing.
    private var isHeld = false
    /// That end: the last byte, without which the event is not a JSON value, and the newline. So a reader of JSON
    /// values, which needs no newline, can't answer earlier either.
    private var held: [UInt8] = []
    /// The pause before that is checked again, in milliseconds.
    private var pause: Int32 = 1
    private var answer: [UInt8] = []
    private var errorLines: ErrorLines
    /// When the child last answered; nil: never. A child that ends before it has read anything counts as not started.
    private var answered: MonotonicTime?
    private var areErrorsOpen = true
    private var pauses = RestartPauses()
    /// When a child that is kept ready may be started; nil: now.
    private var nextStart: MonotonicTime?
    private let clock = SystemTimeSource()

    init(_ settings: ProcessWorker.Settings, wakeEnd: Int32) {
        self.settings = settings
        self.wakeEnd = wakeEnd
        errorLines = ErrorLines(limit: settings.longestErrorLine)
    }

    /// Takes the requests from the mailbox.
    mutating func take(_ mail: inout ProcessWorker.Mail) {
        if let event = mail.event { self.event = event }
        isCancelled = mail.isCancelled
        isRestartWanted = isRestartWanted || mail.isRestartWanted
        if let stop = mail.stop { self.stop = stop }
        mail = ProcessWorker.Mail()
    }

    /// Runs until the worker is stopped. `readMail` is called whenever there may be a request.
    mutating func run(_ readMail: (inout ProcessLoop) -> Void) {
        var isSending = false
        while true {
            readMail(&self)
            if isRestartWanted, event == nil || !isSending {
                endChild()
                isRestartWanted = false
            }
            if isCancelled, let event {
                // The lane goes on as soon as the call returns, so the child is ended first and can do nothing more.
                endChild()
                isSending = false
                self.event = nil
                event.answer.resume(throwing: CancellationError())
            }
            isCancelled = false
            if let stop {
                endInOrder(within: stop.grace)
                event?.answer.resume(throwing: CancellationError())
                stop.done.resume(returning: ())
                return
            }
            if event != nil, !isSending { isSending = begin() }
            waitAndServe(atMost: keepReady())
            if event == nil { isSending = false }
        }
    }

    /// Starts a child that is to be ready for the next event. Returns in how many milliseconds the next one may be started;
    /// -1: there is nothing to wait for.
    private mutating func keepReady() -> Int32 {
        guard settings.isKeptReady, child == nil, event == nil else { return -1 }
        let now = clock.monotonicTime
        if let nextStart, now < nextStart { return Int32(clamping: (nextStart - now).wholeMilliseconds + 1) }
        do {
            try start()
            return -1
        } catch {
            let pause = pauses.next()
            nextStart = now + pause
            warnOfEnd("the function's process can't be started: \(error.reason)", pause)
            return Int32(clamping: pause.wholeMilliseconds)
        }
    }

    private func warnOfEnd(_ what: String, _ pause: Duration) {
        guard pause < RestartPauses.longest else { return }
        settings.warn("warning: \(what); it is started again in \(Readable.duration(pause))")
    }

    private mutating func start() throws(ChildProcess.StartFailure) {
        child = try ChildProcess(
            command: settings.command, environment: settings.environment, owner: settings.owner)
        answered = nil
        areErrorsOpen = true
        errorLines.forgetLastWords()
    }

    // Starts a child where there is none and writes the event to it; false where that failed.
    private mutating func begin() -> Bool {
        if let child, child.ended() != nil { endChild() }
        if let child, Self.isReadable(child.output) { refuseStray() }
        if child == nil {
            do {
                try start()
            } catch {
                fail(.notStarted(error.reason))
                return false
            }
        }
        answer = []
        sent = 0
        let line = event!.line
        // At least one byte has to go out, to see whether it is read.
        let border = max(line.count - 1, min(line.count, 1))
        unsent = line[..<border]
        held = line[border...] + [UInt8(ascii: "\n")]
        isHeld = true
        pause = 1
        // Most children are waiting for the event and read its first bytes at once.
        send()
        for round in 0..<40 where isHeld && answered != nil {
            letGo()
            guard isHeld else { break }
            if round < 20 { sched_yield() } else { usleep(100) }
        }
        return event != nil
    }

    private static func isReadable(_ descriptor: Int32, within milliseconds: Int32 = 0) -> Bool {
        var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&wanted, 1, milliseconds) > 0 && wanted.revents & Int16(POLLIN) != 0
    }

    private static func isClosed(_ input: Int32) -> Bool {
        var wanted = pollfd(fd: input, events: 0, revents: 0)
        return poll(&wanted, 1, 0) > 0
    }

    // The child wrote a line after an answer, before it began to read the next event.
    private mutating func refuseStray() {
        guard let child else { return }
        var bytes = [UInt8](repeating: 0, count: 400)
        let count = max(0, read(child.output, &bytes, bytes.count))
        let delay = answered.map { clock.monotonicTime - $0 } ?? .zero
        warn(
            ofStray: bytes[..<count],
            "a second line for one event, \(delay.wholeMilliseconds) ms after its answer, which counted", after: delay,
            "; it is started again")
        endChild()
    }

    private func warn(
        ofStray bytes: ArraySlice<UInt8>, _ what: String, after delay: Duration, _ consequence: String = ""
    ) {
        let line = bytes.prefix { $0 != UInt8(ascii: "\n") }
        guard let seen = settings.secondLines.note(after: delay.wholeMilliseconds) else { return }
        settings.warn(
            "warning: the function's process wrote \(what): '\(Readable.shortened(Output.escaped(line, backslash: "\\"), to: 80))'\(seen > 1 ? " (number \(seen))" : "")\(consequence). Write one line for each event, as the last thing that is done for it, and logs to standard error"
        )
    }

    // Writes the end of the event once the child has begun to read.
    private mutating func letGo() {
        guard isHeld, unsent.isEmpty, event != nil, let child else { return }
        let isClosed = Self.isClosed(child.input)
        let unread = Int(shardline_unread(child.input))
        // The order matters: what the child wrote before it read, or before it closed its input, is readable by now.
        if Self.isReadable(child.output) { return readAnswer() }
        // It has read nothing and never will. For a new child, the way it ends says more.
        if isClosed, unread >= sent {
            guard answered != nil else { return }
            endChild()
            _ = begin()
            return
        }
        guard answered == nil ? unread <= 0 || isClosed : unread < sent else { return }
        isHeld = false
        unsent = held[...]
        send()
    }

    private mutating func waitAndServe(atMost milliseconds: Int32 = -1) {
        var wanted = [pollfd(fd: wakeEnd, events: Int16(POLLIN), revents: 0)]
        if let child {
            wanted.append(pollfd(fd: child.output, events: Int16(POLLIN), revents: 0))
            // poll ignores descriptors below 0.
            wanted.append(pollfd(fd: areErrorsOpen ? child.errors : -1, events: Int16(POLLIN), revents: 0))
            wanted.append(pollfd(fd: child.watch, events: Int16(POLLIN), revents: 0))
            if !unsent.isEmpty { wanted.append(pollfd(fd: child.input, events: Int16(POLLOUT), revents: 0)) }
        }
        let isWaiting = isHeld && unsent.isEmpty && event != nil && child != nil
        let most = isWaiting && (milliseconds < 0 || pause < milliseconds) ? pause : milliseconds
        defer {
            letGo()
            pause = min(2 * pause, 20)
        }
        guard poll(&wanted, nfds_t(wanted.count), most) > 0 else { return }
        if wanted[0].revents != 0 {
            var bytes = [UInt8](repeating: 0, count: 64)
            while read(wakeEnd, &bytes, bytes.count) > 0 {}
        }
        guard child != nil else { return }
        if wanted[2].revents != 0 { readErrors() }
        if wanted.count > 4, wanted[4].revents != 0 { send() }
        if wanted[1].revents != 0 {
            readAnswer()
        } else if wanted[3].revents != 0 {
            childHasEnded()
        }
    }

    // Processes that the child has started may keep its output open, so the output may never end.
    private mutating func childHasEnded() {
        guard let child else { return }
        // The answer may have come after the last poll.
        var output = pollfd(fd: child.output, events: Int16(POLLIN), revents: 0)
        if poll(&output, 1, 0) > 0 { readAnswer() } else { childIsGone() }
    }

    private mutating func send() {
        guard let child else { return }
        while !unsent.isEmpty {
            let count = unsent.withUnsafeBytes { write(child.input, $0.baseAddress, $0.count) }
            if count > 0 {
                unsent = unsent.dropFirst(count)
                sent += count
            } else {
                if count < 0, errno == EINTR { continue }
                // A child that has closed its input may still answer. Where it has ended, its output shows that.
                if count < 0, errno != EAGAIN { unsent = [] }
                return
            }
        }
    }

    private mutating func readAnswer() {
        guard let child else { return }
        if answered != nil, event == nil || isHeld, Self.isReadable(child.output) {
            refuseStray()
            // The child was not given the whole event, so another child gets it.
            if event != nil { _ = begin() }
            return
        }
        var bytes = [UInt8](repeating: 0, count: 64 << 10)
        let count = read(child.output, &bytes, bytes.count)
        if count < 0 { return }
        if count == 0 { return childIsGone() }
        let new = bytes[..<count]
        guard event != nil else {
            // One that is kept ready has said something before it had an event.
            warn(ofStray: new, "a line before it had an event, which answers nothing", after: .zero)
            return endChild()
        }
        guard let newline = new.firstIndex(of: UInt8(ascii: "\n")) else {
            answer += new
            if answer.count > settings.longestAnswer {
                endChild()
                fail(.answerTooLong(limit: settings.longestAnswer))
            }
            return
        }
        answer += new[..<newline]
        // An answer comes after the event, and alone; a second line usually comes at once.
        let window = answered == nil ? settings.secondLines.window : 0
        guard newline == new.endIndex - 1, unsent.isEmpty, !isHeld, hasRead(child),
            !Self.isReadable(child.output, within: window)
        else {
            endChild()
            return fail(.outOfStep)
        }
        answered = clock.monotonicTime
        pauses.reset()
        succeed()
    }

    // A reader of JSON values may leave the newline unread until it reads the next event.
    private func hasRead(_ child: ChildProcess) -> Bool {
        shardline_unread(child.input) <= 1 || Self.isClosed(child.input)
    }

    private mutating func succeed() {
        let answer = answer
        self.answer = []
        let waiter = event?.answer
        event = nil
        waiter?.resume(returning: .success(answer))
    }

    // The child has ended, or can't answer any more because its standard output is closed.
    private mutating func childIsGone() {
        guard let child else { return }
        // An incomplete last line is an answer if the child then ends with exit code 0. A child that was killed may
        // have been about to write more.
        let isBlank = answer.allSatisfy { $0 == 0x20 || (0x09...0x0D).contains($0) }
        let mayAnswer = event != nil && !isBlank && unsent.isEmpty && !isHeld && hasRead(child)
        // A child closes its output shortly before it ends; its exit code is worth a short wait.
        if child.ended() == nil {
            var wanted = pollfd(fd: child.watch, events: Int16(POLLIN), revents: 0)
            _ = poll(&wanted, 1, mayAnswer ? 1000 : 100)
        }
        let end = child.ended()
        readErrors()
        errorLines.finish(settings.passOn)
        let words = errorLines.lastWords
        // Where it has read nothing of the event, as an interpreter that can't find its script, the function was not
        // reached, and its end says nothing about the records.
        let hasReadNothing = isHeld && shardline_unread(child.input) >= sent
        let wasNew = answered == nil
        let last = answer
        endChild()
        guard event != nil else {
            if settings.isKeptReady, let nextStart {
                let what =
                    end.map { "the function's process \($0)" } ?? "the function's process closed its standard output"
                warnOfEnd("\(what) while it had no event", nextStart - clock.monotonicTime)
            }
            return
        }
        if mayAnswer, end == .exited(0) {
            answer = last
            return succeed()
        }
        // A child that has ended between two events fails neither of them.
        if hasReadNothing, !wasNew {
            _ = begin()
            return
        }
        guard let end else { return fail(.closedOutput) }
        if hasReadNothing {
            fail(
                .notStarted(
                    "it \(end) before it had read anything" + (words.isEmpty ? "" : "; its last words: \(words)")))
        } else {
            fail(.ended(end, lastWords: words))
        }
    }

    private mutating func fail(_ failure: ProcessFailure) {
        let waiter = event?.answer
        event = nil
        waiter?.resume(throwing: failure)
    }

    private mutating func readErrors() {
        guard let child else { return }
        var bytes = [UInt8](repeating: 0, count: 16 << 10)
        // At most as much as a pipe holds, so that a child that writes without end doesn't delay its own answer.
        for _ in 0..<8 {
            let count = read(child.errors, &bytes, bytes.count)
            if count == 0 { areErrorsOpen = false }
            guard count > 0 else { return }
            errorLines.take(bytes[..<count], settings.passOn)
        }
    }

    private mutating func endChild() {
        guard let child else { return }
        _ = child.kill()
        readErrors()
        errorLines.finish(settings.passOn)
        self.child = nil
        unsent = []
        answer = []
        isHeld = false
        if settings.isKeptReady { nextStart = clock.monotonicTime + pauses.next() }
    }

    private mutating func endInOrder(within grace: Int32) {
        guard let child else { return }
        // Output from now on answers nothing, unless the child has an event.
        var stray: [UInt8] = []
        child.closeInput()
        unsent = []
        for (patience, step) in [(grace, child.terminate), (min(grace, 500), {})] {
            var left = patience
            while child.ended() == nil, left > 0 {
                readErrors()
                readRest(of: child, into: &stray)
                var nothing = pollfd(fd: -1, events: 0, revents: 0)
                _ = poll(&nothing, 1, 5)
                left -= 5
            }
            step()
        }
        _ = child.kill()
        readRest(of: child, into: &stray)
        if event == nil, let answered, !stray.isEmpty {
            let delay = clock.monotonicTime - answered
            warn(
                ofStray: stray[...],
                "a line after the answer to its last event, \(delay.wholeMilliseconds) ms later, which answers nothing",
                after: delay)
        }
        endChild()
    }

    // Keeps the first bytes.
    private func readRest(of child: ChildProcess, into kept: inout [UInt8]) {
        var bytes = [UInt8](repeating: 0, count: 4096)
        // At most as much as a pipe holds, so that a child that writes without end is still ended.
        for _ in 0..<16 {
            let count = read(child.output, &bytes, bytes.count)
            guard count > 0 else { return }
            kept += bytes[..<min(count, max(0, 400 - kept.count))]
        }
    }
}
