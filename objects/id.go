package objects

import (
	"strconv"
	"strings"

	"github.com/aotf/sharedmem/shm"
)

// A UserID names one user request, as long as it lives and never another one.
// It is comparable; the zero value names none.
type UserID struct{ v uint64 }

// A ScanID names one scan, as long as it lives and never another one.
type ScanID struct{ v uint64 }

func idText(kind string, v uint64) string { return kind + strconv.FormatUint(v, 36) }

func parseID(kind, s string) (uint64, error) {
	digits, ok := strings.CutPrefix(s, kind)
	v, err := strconv.ParseUint(digits, 36, 64)
	if !ok || err != nil {
		return 0, invalid("id", s, "want the text form of an id")
	}
	return v, nil
}

// String is the text form.
func (id UserID) String() string { return idText("u", id.v) }

// MarshalText is the text form, for JSON.
func (id UserID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText parses the text form.
func (id *UserID) UnmarshalText(b []byte) (err error) {
	id.v, err = parseID("u", string(b))
	return err
}

// IsZero reports whether the id names nothing.
func (id UserID) IsZero() bool { return id.v == 0 }

// String is the text form.
func (id ScanID) String() string { return idText("s", id.v) }

// MarshalText is the text form, for JSON.
func (id ScanID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText parses the text form.
func (id *ScanID) UnmarshalText(b []byte) (err error) {
	id.v, err = parseID("s", string(b))
	return err
}

// IsZero reports whether the id names nothing.
func (id ScanID) IsZero() bool { return id.v == 0 }

func (id UserID) ref() shm.Ref[userRecord] { return shm.RefOf[userRecord](id.v) }
func (id ScanID) ref() shm.Ref[scanRecord] { return shm.RefOf[scanRecord](id.v) }

func userID(r shm.Ref[userRecord]) UserID { return UserID{r.Uint64()} }
func scanID(r shm.Ref[scanRecord]) ScanID { return ScanID{r.Uint64()} }
