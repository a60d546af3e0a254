// Package shm shares fixed-layout memory between the processes of one host, and
// survives the death of any of them at any instruction.
//
// A [Segment] is a file on tmpfs that every process of an application maps. In
// it lie the objects that the application declares in its Define method: an
// [Arena] of records, [Ring] and [Bag] queues of records, an [Index] that finds
// records by key, [Blobs] for values of variable size, [Semaphore] and [Mutex],
// [Event], [Counters] and [Cell]. Nothing is serialised: a record is written
// once, in place, through a [Claim], and queues pass it on by one CAS on its
// header word.
//
// What a killed process owned comes back: records it had claimed from a queue
// return to it, records it had not published are freed, its permits are free
// again. Processes watch each other; nobody is special, and there is no daemon.
// A process that is merely stopped keeps what it owns.
//
// Not promised: calls that do not wait, the first look of those that may, and a
// program's own accesses to records are not guarded against SIGBUS, which another
// process of the same user can cause by truncating the file. Waiting, attaching,
// inspecting, verifying and sweeping are.
//
// Start reading at header.go (the ownership word), then records.go, ring.go,
// sweep.go and process.go.
package shm
