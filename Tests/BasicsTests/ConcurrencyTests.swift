import Basics
import Glibc
import Synchronization
import Testing

@Suite struct ConcurrencyTests {
    @Test func aChannelKeepsTheOrderAndItsBound() throws {
        let channel = Channel<Int>(limit: 3)
        let sent = Atomic<Int>(0)
        let sender = try SystemThread("sender") {
            for number in 0..<1000 {
                channel.send(number)
                sent.add(1, ordering: .sequentiallyConsistent)
            }
            channel.close()
        }
        var received = 0
        while let number = channel.receive() {
            #expect(number == received)
            received += 1
            // One more may have been taken out and not yet counted here.
            #expect(sent.load(ordering: .sequentiallyConsistent) <= received + 3)
        }
        sender.join()
        #expect(received == 1000 && channel.receiveNow() == nil && !channel.send(1))
    }

    @Test func aClosedChannelGivesWhatItHas() {
        let channel = Channel<String>(limit: 2)
        channel.send("first")
        channel.send("second")
        channel.close()
        #expect(channel.receive() == "first" && channel.receiveNow() == "second" && channel.receive() == nil)
    }

    @Test func aWaitEndsAtItsDeadline() {
        let condition = Condition()
        let deadline = MonotonicClock.milliseconds() + 20
        condition.withLock {
            while condition.wait(until: deadline) {}
        }
        #expect(MonotonicClock.milliseconds() >= deadline)
    }

    @Test func conditionsShareALock() throws {
        let lock = Lock()
        let (asked, answered) = (Condition(lock), Condition(lock))
        let state = Mutex(0)
        let thread = try SystemThread("answers") {
            lock.withLock {
                while state.withLock({ $0 }) != 1 { asked.wait() }
                state.withLock { $0 = 2 }
                answered.broadcast()
            }
        }
        lock.withLock {
            state.withLock { $0 = 1 }
            asked.signal()
            while state.withLock({ $0 }) != 2 { answered.wait() }
        }
        thread.join()
    }

    @Test func aThreadHasItsName() throws {
        let name = Mutex("")
        try SystemThread("fifteen-letters") {
            let bytes = try? Files.read("/proc/thread-self/comm", limit: 100)
            name.withLock { $0 = String(decoding: bytes ?? [], as: UTF8.self) }
        }.join()
        #expect(name.withLock { $0 } == "fifteen-letters\n")
    }
}
