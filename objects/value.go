package objects

import (
	"fmt"
	"net/netip"
	"time"
)

// A Status is where a user request is.
type Status uint8

const (
	WaitLinkFinder Status = iota
	LinkFinder
	WaitIndexTweets
	IndexTweets
	WaitReverseSearch
	ReverseSearch
	End
)

var statusNames = [...]string{"WAIT_LINK_FINDER", "LINK_FINDER", "WAIT_INDEX_ACCOUNTS_TWEETS",
	"INDEX_ACCOUNTS_TWEETS", "WAIT_IMAGE_REVERSE_SEARCH", "IMAGE_REVERSE_SEARCH", "END"}

func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return fmt.Sprintf("status %d", uint8(s))
}

// MarshalText makes a Status readable in JSON.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// A Problem is why a user request ended without results.
type Problem uint8

const (
	NoProblem Problem = iota
	NotAnURL
	UnsupportedWebsite
	NotAnArtworkPage
	NoTwitterAccountFound
	NoValidTwitterAccountFound
	BlockedByTwitterAccount
	ErrorDuringReverseSearch
	QueryImageTooBig
	ProcessingError
	CannotGetImage
	InvalidTwitterAccount
	TwitterAccountNotIndexed
	numProblems
)

var problemNames = [numProblems]string{"", "NOT_AN_URL", "UNSUPPORTED_WEBSITE", "NOT_AN_ARTWORK_PAGE",
	"NO_TWITTER_ACCOUNT_FOUND", "NO_VALID_TWITTER_ACCOUNT_FOUND", "BLOCKED_BY_TWITTER_ACCOUNT",
	"ERROR_DURING_REVERSE_SEARCH", "QUERY_IMAGE_TOO_BIG", "PROCESSING_ERROR", "CANNOT_GET_IMAGE",
	"INVALID_TWITTER_ACCOUNT", "TWITTER_ACCOUNT_NOT_INDEXED"}

func (p Problem) String() string {
	if p < numProblems {
		return problemNames[p]
	}
	return fmt.Sprintf("problem %d", uint8(p))
}

// MarshalText makes a Problem readable in JSON.
func (p Problem) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// retention is how long a finished request is kept for pollers.
func (p Problem) retention(direct bool) time.Duration {
	switch {
	case p == NoProblem:
		return 3 * time.Hour
	case direct, p == NotAnURL, p == NotAnArtworkPage, p == UnsupportedWebsite, p == ErrorDuringReverseSearch:
		return 10 * time.Minute
	}
	return time.Hour
}

// A Query is what a user asks. Its identity is URL, Direct and Account: two
// queries with the same identity are one request.
type Query struct {
	URL     string     // of the illustration, or of the image when Direct; up to 4 KiB
	Direct  bool       // search the image itself: straight to step 3
	Account string     // direct only: the one account to search, "" for all; a name of 1 to 15 letters, digits or _, case and a leading @ do not matter
	Image   []byte     // direct only: the image itself, up to 20 MiB; URL is then any identifier
	Address netip.Addr // charged with the request until it ends; the zero value is charged nothing
}

// An Account is a candidate found by step 1.
type Account struct {
	ID   int64  `json:"id"`
	Name string `json:"name"` // up to 64 bytes
}

// A Found is one result of a reverse search.
type Found struct {
	Account  int64 `json:"account"`
	Tweet    int64 `json:"tweet"`
	Position uint8 `json:"position"` // of the image in its tweet, 1 to 4
	Images   uint8 `json:"images"`   // in that tweet
	Distance uint8 `json:"distance"`
}

// A UserRequest is a consistent copy of a user request: the fields that its
// status has published, the others zero.
type UserRequest struct {
	ID        UserID        `json:"id"`
	Query     Query         `json:"query"`
	Status    Status        `json:"status"`
	Attempt   int           `json:"attempt"` // deliveries at this step so far
	Started   time.Time     `json:"started"`
	Accounts  []Account     `json:"accounts,omitempty"`   // after step 1
	ImageURLs []string      `json:"image_urls,omitempty"` // after step 1, largest first
	Published time.Time     `json:"published"`            // after step 1: of the illustration; zero when unknown
	Scans     []ScanID      `json:"scans,omitempty"`      // after the first visit of step 2
	FirstScan bool          `json:"first_scan"`           // an account has no complete earlier scan
	ImageSize int64         `json:"image_size,omitempty"` // of the query image, see UserClaim.Image
	Problem   Problem       `json:"problem,omitempty"`    // at END
	Found     []Found       `json:"found,omitempty"`      // at END, nearest first
	Truncated bool          `json:"truncated,omitempty"`  // more was found than is kept
	Finished  time.Time     `json:"finished"`             // at END
	Took      time.Duration `json:"took"`                 // at END
}

// A Leg is one of the two independent listings of a scan.
type Leg uint8

const (
	LegA Leg = iota // search: everything
	LegB            // timeline: the newest 3,200
)

func (l Leg) String() string { return [...]string{"A", "B"}[l&1] }

// MarshalText makes a Leg readable in JSON.
func (l Leg) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// A ScanRequest is a copy of a scan.
type ScanRequest struct {
	ID       ScanID        `json:"id"`
	Account  Account       `json:"account"`
	Started  time.Time     `json:"started"`
	Closed   [2]bool       `json:"closed"` // by leg
	Failed   bool          `json:"failed"`
	Unfound  bool          `json:"unfound"`
	Blocked  bool          `json:"blocked"`        // every token is blocked by the account
	Finished bool          `json:"finished"`       // both legs closed
	Took     time.Duration `json:"took,omitempty"` // when finished
	Legs     [2]string     `json:"legs"`           // what each leg is doing
}

// A Tweet is what a lister found. Limits: 4 images; an image is up to 48 bytes
// each, or up to 4 KiB all together.
type Tweet struct {
	ID     int64    `json:"id"`
	Images []string `json:"images"`
	Retry  bool     `json:"retry,omitempty"`
}

// A Cursor is what a lister wants saved behind its tweets. A value that is not
// set is legitimate: it clears the cursor. Unchanged leaves it as it is.
type Cursor struct {
	Value     string `json:"value"` // up to 32 bytes
	Set       bool   `json:"set"`
	Unchanged bool   `json:"unchanged"`
}

func invalid(what string, value any, want string) error {
	return fmt.Errorf("%w: %s %q: %s", ErrInvalid, what, fmt.Sprint(value), want)
}
