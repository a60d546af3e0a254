package objects

import (
	"time"

	"github.com/aotf/sharedmem/shm"
)

// All records that lie in shared memory. Fields belong to the step that
// publishes them (phase): 0 at launch, 1 after step 1, 2 after the first visit of
// step 2, 3 at END. Within a phase they are written once, by the owner.

const (
	urlInline  = 256
	nameBytes  = 64
	fewItems   = 4
	mostItems  = 256  // accounts of one request
	mostFound  = 2600 // results of one request: 62,400 bytes
	mostCells  = 16   // unfinished requests an address can have
	cursorSize = 32
	imageSize  = 48
	mostImages = 4
	mostURL    = 4096
)

// userKey is a request's identity. A URL that does not fit is its first 224
// bytes and its SHA-256; the whole is then in LongURL.
type userKey struct {
	Direct  uint8 `shm:"enum=illustration|direct"`
	_       [7]byte
	Account [16]byte        `shm:"text"`
	URL     [urlInline]byte `shm:"text"`
}

type userRecord struct {
	Key     userKey `shm:"key"`
	LongURL shm.Blob
	Address [16]byte `shm:"addr"`
	Charged uint8    `shm:"enum=no|yes"`
	_       [7]byte
	Started int64         `shm:"time"`
	Begun   time.Duration `shm:"boot"`
	Outcome shm.Word      `shm:"enum=undecided|by-worker|forced,low=2"` // see decide
	Image   uint64        // bytes of the query image, which is a side file; 0 none
	Link    linkFields    `shm:"phase=1"`
	Wait    waitFields    `shm:"phase=2"`
	End     endFields     `shm:"phase=3"`
}

type linkFields struct {
	Accounts  uint32 // how many; the first few here, all in Many when there are more
	Images    uint32
	Few       [fewItems]accountRecord
	Many      shm.Blob
	ImageURLs [2]shm.Blob
	Published int64 `shm:"time"`
}

type accountRecord struct {
	ID   int64
	Name [nameBytes]byte `shm:"text"`
}

type waitFields struct {
	Scans     uint32
	FirstScan uint8 `shm:"enum=no|yes"`
	_         [3]byte
	Few       [fewItems]shm.Ref[scanRecord]
	Many      shm.Blob
}

type endFields struct {
	Problem   uint8 `shm:"enum=|NOT_AN_URL|UNSUPPORTED_WEBSITE|NOT_AN_ARTWORK_PAGE|NO_TWITTER_ACCOUNT_FOUND|NO_VALID_TWITTER_ACCOUNT_FOUND|BLOCKED_BY_TWITTER_ACCOUNT|ERROR_DURING_REVERSE_SEARCH|QUERY_IMAGE_TOO_BIG|PROCESSING_ERROR|CANNOT_GET_IMAGE|INVALID_TWITTER_ACCOUNT|TWITTER_ACCOUNT_NOT_INDEXED"`
	Truncated uint8 `shm:"enum=no|yes"`
	_         [2]byte
	Found     uint32
	Results   shm.Blob
	Finished  int64         `shm:"time"`
	Ended     time.Duration `shm:"boot"`
}

// foundSize is a Found in the Results blob: account, tweet, position, images,
// distance, five bytes of nothing.
const foundSize = 24

type scanKey struct{ Account int64 }

type scanRecord struct {
	Key     scanKey         `shm:"key"`
	Name    [nameBytes]byte `shm:"text"`
	Started int64           `shm:"time"`
	Begun   time.Duration   `shm:"boot"`
	Legs    [2]shm.Ref[legRecord]
	State   shm.Word `shm:"flags=closed-a|closed-b|failed|unfound|blocked,low=5"` // see scanState
}

// scanState: the closed bits of both legs and the time of the finish are one
// word, so that the CAS that sets the second bit is the finish. Others than an
// owner write it, maybe late, so it carries the scan's life (26 bits).
const (
	scanClosedA  = 1 << 0
	scanClosedB  = 1 << 1
	scanFailed   = 1 << 2
	scanUnfound  = 1 << 3
	scanBlocked  = 1 << 4
	scanFinished = scanClosedA | scanClosedB
	scanLife     = 5
	scanTime     = 31 // units of 16 ms since boot, from this bit on
)

type legRecord struct {
	Scan    shm.Ref[scanRecord]
	Account int64
	Leg     uint8 `shm:"enum=A|B"`
	_       [7]byte
	Options shm.Word     `shm:"flags=reset|started|prior,low=3"`
	Blocks  [2]shm.Word  // tokens that the account blocks, a bit each
	Cursor  cursorFields `shm:"phase=1"`
}

const (
	legReset   = 1 << 0 // clear the saved cursor before listing
	legStarted = 1 << 1 // claimed once: too late for reset and promotion
	legPrior   = 1 << 2 // promoted before it was posted
	legLife    = 8      // the leg's life from this bit on: others write this word, maybe late
)

type cursorFields struct {
	Value     [cursorSize]byte `shm:"text"`
	Set       uint8            `shm:"enum=no|yes"`
	Unchanged uint8            `shm:"enum=no|yes"`
	_         [6]byte
}

type tweetRecord struct {
	Leg     shm.Word `shm:"ref"` // of its leg, as a number: the barrier reads it in place
	Scan    shm.Ref[scanRecord]
	Account int64
	ID      int64
	Count   uint8
	Retry   uint8 `shm:"enum=no|yes"`
	_       [6]byte
	Images  [mostImages]imageRecord
	Long    shm.Blob // all images, a line each, when one does not fit
}

type imageRecord struct {
	Name [imageSize]byte `shm:"text"`
}

type addressKey struct {
	Address [16]byte `shm:"addr"`
}

// addressRecord is what the limits know of one address. Each cell is a charged
// request; one whose request is finished or gone is free.
type addressRecord struct {
	Key     addressKey          `shm:"key"`
	Closing shm.Word            `shm:"enum=open|asked|closed,low=2"` // see addresses.close
	Last    shm.Word            `shm:"boot"`                         // when its last HTTP request was accepted
	Cells   [mostCells]shm.Word `shm:"ref"`
}

type threadKey struct {
	Name [nameBytes]byte `shm:"text"`
}

type threadRecord struct {
	Key     threadKey `shm:"key"`
	Since   int64     `shm:"time"`
	Process int64     // its process id
	Work    shm.Word  `shm:"ref"`  // the record it works on, as a number
	Claimed shm.Word  `shm:"boot"` // since when
}

type processRecord struct {
	Process int64
	Slot    int64
	Since   int64    `shm:"time"`
	Mail    shm.Word `shm:"flags=write_stacks"`
}

type countsRecord struct {
	Tweets   int64
	Accounts int64
	ReadAt   int64 `shm:"time"`
}
