// Package objects is the tree of objects that the processes of AOTF ("Artists on
// Twitter Finder") share: two pipelines of requests and what goes with them.
//
//	user request    Launch ─► step 1 ─► step 2 ─► (waiting for scans) ─► step 3 ─► END
//	scan            Launch ─► legs A and B, each: listing ─► save cursor ─► closed
//	tweets          a lister puts them into step C, indexers claim them
//
// A leg's save-cursor instruction is the leg's own record, put behind its tweets
// into a bag; it can be claimed only when no tweet of the leg is left in step C
// (the barrier), so a cursor is saved only after every earlier tweet has left the
// indexers.
//
// Every request is one record of shared memory and moves by one CAS on its
// header: there is no instant at which it is lost or twice there, wherever a
// process is killed. A request that is claimed by a process that dies is claimed
// again, twice at most; then it fails visibly. Effects of workers (database
// writes) must therefore be repeatable.
//
// Everything is reached from a [SharedMemory], through one small interface per
// node, behind which other stores may stand; no offset or futex shows in them.
// All methods take a context, may be called from any goroutine, and return the
// errors of this package.
package objects
