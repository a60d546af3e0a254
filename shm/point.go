package shm

// A point names one access to a shared word, or one system call that matters,
// in one protocol. In an ordinary build it costs nothing; under the build tag
// crashpoint the process can be killed at each. The names are the ledger of all
// shared accesses of this package: nothing else may touch a segment's words.
type point uint8

const (
	ptAim point = iota
	ptAlloc
	ptAllocBit
	ptAllocHeader
	ptAllocLook
	ptAllocScan
	ptAttachRead
	ptBacklog
	ptBagBit
	ptBagHeader
	ptBagLook
	ptBagMove
	ptBagTicket
	ptBlobField
	ptBlobFree
	ptBlobHeader
	ptBlobHolder
	ptBlobSettle
	ptClaim
	ptClaimValid
	ptCount
	ptCountRead
	ptCreateAllocated
	ptCreateJoined
	ptCreateLinked
	ptCreateMapped
	ptCreateOpened
	ptEventAnnounce
	ptEventBump
	ptEventRead
	ptFill
	ptFree
	ptFreeBit
	ptFutexRead
	ptFutexWake
	ptGiveBack
	ptHold
	ptIdentify
	ptIndexAgain
	ptIndexControl
	ptIndexDelete
	ptIndexEmpty
	ptIndexEntry
	ptIndexFill
	ptIndexHeader
	ptIndexIdle
	ptIndexInsert
	ptIndexSecond
	ptInit
	ptJoinAgain
	ptJoinAlive
	ptJoinLocked
	ptJoinLook
	ptJoinRegistered
	ptJudgeDead
	ptJudgeLook
	ptJudgeTime
	ptLeave
	ptLoadAgain
	ptLoadHeader
	ptOwnerGone
	ptPost
	ptPostUndo
	ptProcesses
	ptRecordLoad
	ptResetLinked
	ptRestart
	ptRetire
	ptRetireOwn
	ptRetireSegment
	ptRetired
	ptRingFill
	ptRingHead
	ptRingHeadMove
	ptRingHeader
	ptRingSlot
	ptRingTail
	ptRingTailMove
	ptScan
	ptSegmentState
	ptSemGive
	ptSemLook
	ptSemSweep
	ptSemTake
	ptSettle
	ptStop
	ptSweepBit
	ptSweepFree
	ptSweepHint
	ptSweepPost
	ptSweepRetire
	ptSweepSettle
	ptSweepSlot
	ptSweepSlotWord
	ptSweepTake
	ptSweepTime
	ptTake
	ptTakeHeader
	ptUserWord
	ptVerify
	ptWaiting
	ptWatch
	numPoints
)

var pointNames = [numPoints]string{
	ptAim:             "aim",
	ptAlloc:           "alloc",
	ptAllocBit:        "alloc.bit",
	ptAllocHeader:     "alloc.header",
	ptAllocLook:       "alloc.look",
	ptAllocScan:       "alloc.scan",
	ptAttachRead:      "attach.read",
	ptBacklog:         "backlog",
	ptBagBit:          "bag.bit",
	ptBagHeader:       "bag.header",
	ptBagLook:         "bag.look",
	ptBagMove:         "bag.move",
	ptBagTicket:       "bag.ticket",
	ptBlobField:       "blob.field",
	ptBlobFree:        "blob.free",
	ptBlobHeader:      "blob.header",
	ptBlobHolder:      "blob.holder",
	ptBlobSettle:      "blob.settle",
	ptClaim:           "claim",
	ptClaimValid:      "claim.valid",
	ptCount:           "count",
	ptCountRead:       "count.read",
	ptCreateAllocated: "create.allocated",
	ptCreateJoined:    "create.joined",
	ptCreateLinked:    "create.linked",
	ptCreateMapped:    "create.mapped",
	ptCreateOpened:    "create.opened",
	ptEventAnnounce:   "event.announce",
	ptEventBump:       "event.bump",
	ptEventRead:       "event.read",
	ptFill:            "fill",
	ptFree:            "free",
	ptFreeBit:         "free.bit",
	ptFutexRead:       "futex.read",
	ptFutexWake:       "futex.wake",
	ptGiveBack:        "give.back",
	ptHold:            "hold",
	ptIdentify:        "identify",
	ptIndexAgain:      "index.again",
	ptIndexControl:    "index.control",
	ptIndexDelete:     "index.delete",
	ptIndexEmpty:      "index.empty",
	ptIndexEntry:      "index.entry",
	ptIndexFill:       "index.fill",
	ptIndexHeader:     "index.header",
	ptIndexIdle:       "index.idle",
	ptIndexInsert:     "index.insert",
	ptIndexSecond:     "index.second",
	ptInit:            "init",
	ptJoinAgain:       "join.again",
	ptJoinAlive:       "join.alive",
	ptJoinLocked:      "join.locked",
	ptJoinLook:        "join.look",
	ptJoinRegistered:  "join.registered",
	ptJudgeDead:       "judge.dead",
	ptJudgeLook:       "judge.look",
	ptJudgeTime:       "judge.time",
	ptLeave:           "leave",
	ptLoadAgain:       "load.again",
	ptLoadHeader:      "load.header",
	ptOwnerGone:       "owner.gone",
	ptPost:            "post",
	ptPostUndo:        "post.undo",
	ptProcesses:       "processes",
	ptRecordLoad:      "record.load",
	ptResetLinked:     "reset.linked",
	ptRestart:         "restart",
	ptRetire:          "retire",
	ptRetireOwn:       "retire.own",
	ptRetireSegment:   "retire.segment",
	ptRetired:         "retired",
	ptRingFill:        "ring.fill",
	ptRingHead:        "ring.head",
	ptRingHeadMove:    "ring.head.move",
	ptRingHeader:      "ring.header",
	ptRingSlot:        "ring.slot",
	ptRingTail:        "ring.tail",
	ptRingTailMove:    "ring.tail.move",
	ptScan:            "scan",
	ptSegmentState:    "segment.state",
	ptSemGive:         "sem.give",
	ptSemLook:         "sem.look",
	ptSemSweep:        "sem.sweep",
	ptSemTake:         "sem.take",
	ptSettle:          "settle",
	ptStop:            "stop",
	ptSweepBit:        "sweep.bit",
	ptSweepFree:       "sweep.free",
	ptSweepHint:       "sweep.hint",
	ptSweepPost:       "sweep.post",
	ptSweepRetire:     "sweep.retire",
	ptSweepSettle:     "sweep.settle",
	ptSweepSlot:       "sweep.slot",
	ptSweepSlotWord:   "sweep.slot.word",
	ptSweepTake:       "sweep.take",
	ptSweepTime:       "sweep.time",
	ptTake:            "take",
	ptTakeHeader:      "take.header",
	ptUserWord:        "user.word",
	ptVerify:          "verify",
	ptWaiting:         "waiting",
	ptWatch:           "watch",
}

func (p point) String() string { return pointNames[p] }
