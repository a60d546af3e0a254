package objects

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/aotf/sharedmem/shm"
)

// What does not fit into a user record lies in blobs: here is how it is written
// and read.

// setBlob stores a value of a request. When the blobs are used up, the oldest
// finished requests go.
func (u *users) setBlob(c shm.Claim[userRecord], field *shm.Blob, data []byte) error {
	for {
		err := c.SetBlob(&u.m.tree.blobs, field, data)
		if !errors.Is(err, ErrFull) || u.shedOldest() == 0 {
			return err
		}
	}
}

// blobBytes are buffers for what blobs are made of and read to, so that neither leaves
// garbage.
var blobBytes = sync.Pool{New: func() any { return new([]byte) }}

// readBlob calls use with the bytes, which are its only until it returns.
func (u *users) readBlob(b shm.Blob, use func(b []byte) error) error {
	buf := blobBytes.Get().(*[]byte)
	defer blobBytes.Put(buf)
	read, err := u.m.tree.blobs.Append((*buf)[:0], b)
	if err != nil {
		return err
	}
	*buf = read
	return use(read)
}

// text is what b says, up to the first zero byte: had itself, if that says the same.
// Who polls a request gets the strings that he has.
func text(had string, b []byte) string {
	if n := bytes.IndexByte(b, 0); n >= 0 {
		b = b[:n]
	}
	if had == string(b) {
		return had
	}
	return string(b)
}

// copyOut copies what a request has published, into the slices and with the strings
// that dst has.
func (u *users) copyOut(id UserID, rec *userRecord, st shm.Status, dst *UserRequest) error {
	had := dst.Query
	accounts, images, scans, found := dst.Accounts[:0], dst.ImageURLs[:0], dst.Scans[:0], dst.Found[:0]
	*dst = UserRequest{
		ID: id, Status: u.status(st), Attempt: st.Attempt(),
		Query:     Query{Direct: rec.Key.Direct != 0, Account: text(had.Account, rec.Key.Account[:])},
		Started:   unixTime(rec.Started),
		Published: unixTime(rec.Link.Published),
		FirstScan: rec.Wait.FirstScan != 0,
		Problem:   Problem(rec.End.Problem), Truncated: rec.End.Truncated != 0, Finished: unixTime(rec.End.Finished),
	}
	if rec.End.Ended != 0 {
		dst.Took = rec.End.Ended - rec.Begun
	}
	dst.ImageSize = int64(rec.Image)
	if v := rec.Outcome.Plain(); v&outcomeKind == outcomeForced && dst.Status != End {
		dst.Status, dst.Problem = End, ProcessingError
		dst.Took = time.Duration(v>>outcomeTime)*time.Millisecond - rec.Begun
		dst.Finished = dst.Started.Add(dst.Took)
	}
	if addr := netip.AddrFrom16(rec.Address).Unmap(); rec.Address != [16]byte{} {
		dst.Query.Address = addr
	}
	err := u.readBlob(rec.LongURL, func(long []byte) error {
		if len(long) == 0 {
			long = rec.Key.URL[:]
		}
		dst.Query.URL = text(had.URL, long)
		return nil
	})
	if err != nil {
		return err
	}
	if dst.Accounts, err = u.accounts(accounts, &rec.Link); err != nil {
		return err
	}
	if dst.ImageURLs, err = u.imageURLs(images, &rec.Link); err != nil {
		return err
	}
	if dst.Scans, err = u.scanIDs(scans, &rec.Wait); err != nil {
		return err
	}
	dst.Found, err = u.found(found, &rec.End)
	return err
}

func unixTime(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}

func (u *users) accounts(dst []Account, f *linkFields) ([]Account, error) {
	n := int(f.Accounts)
	if n > mostItems {
		return dst, fmt.Errorf("%w: %d accounts", ErrCorrupt, n)
	}
	had := dst[:cap(dst)]
	add := func(id int64, name []byte) {
		a := Account{ID: id}
		if len(dst) < len(had) {
			a.Name = had[len(dst)].Name
		}
		a.Name = text(a.Name, name)
		dst = append(dst, a)
	}
	if n <= fewItems {
		for i := range n {
			add(f.Few[i].ID, f.Few[i].Name[:])
		}
		return dst, nil
	}
	const size = 8 + nameBytes
	err := u.readBlob(f.Many, func(b []byte) error {
		if len(b) != n*size {
			return fmt.Errorf("%w: %d accounts in %d bytes", ErrCorrupt, n, len(b))
		}
		for ; len(b) > 0; b = b[size:] {
			add(int64(binary.LittleEndian.Uint64(b)), b[8:size])
		}
		return nil
	})
	return dst, err
}

func (u *users) imageURLs(dst []string, f *linkFields) ([]string, error) {
	n := min(f.Images, uint32(len(f.ImageURLs)))
	dst = slices.Grow(dst, int(n))
	had := dst[:cap(dst)]
	for i := range n {
		err := u.readBlob(f.ImageURLs[i], func(b []byte) error {
			url := ""
			if len(dst) < len(had) {
				url = had[len(dst)]
			}
			dst = append(dst, text(url, b))
			return nil
		})
		if err != nil {
			return dst, err
		}
	}
	return dst, nil
}

func (u *users) setAccounts(c shm.Claim[userRecord], accounts []Account) error {
	if len(accounts) < 1 || len(accounts) > mostItems {
		return fmt.Errorf("%w: %d accounts, want 1 to %d", ErrTooLarge, len(accounts), mostItems)
	}
	f := &c.Record().Link
	f.Accounts = 0 // until what is counted is there
	buf := blobBytes.Get().(*[]byte)
	defer blobBytes.Put(buf)
	many := (*buf)[:0]
	for i, a := range accounts {
		var name [nameBytes]byte
		if err := shm.PutText(name[:], a.Name); err != nil {
			return fmt.Errorf("%w: account name %q: want at most %d bytes", err, a.Name, nameBytes)
		}
		if len(accounts) <= fewItems {
			f.Few[i] = accountRecord{a.ID, name}
			continue
		}
		many = binary.LittleEndian.AppendUint64(many, uint64(a.ID))
		many = append(many, name[:]...)
	}
	*buf = many
	err := u.setBlob(c, &f.Many, many)
	if err == nil {
		f.Accounts = uint32(len(accounts))
	}
	return err
}

func (u *users) scanIDs(dst []ScanID, f *waitFields) ([]ScanID, error) {
	n := int(f.Scans)
	if n > mostItems {
		return dst, fmt.Errorf("%w: %d scans", ErrCorrupt, n)
	}
	if n <= fewItems {
		for i := range n {
			dst = append(dst, scanID(f.Few[i]))
		}
		return dst, nil
	}
	err := u.readBlob(f.Many, func(b []byte) error {
		if len(b) != n*8 {
			return fmt.Errorf("%w: %d scans in %d bytes", ErrCorrupt, n, len(b))
		}
		for ; len(b) > 0; b = b[8:] {
			dst = append(dst, ScanID{binary.LittleEndian.Uint64(b)})
		}
		return nil
	})
	return dst, err
}

func (u *users) setScans(c shm.Claim[userRecord], ids []ScanID) error {
	if len(ids) > mostItems {
		return fmt.Errorf("%w: %d scans, want at most %d", ErrTooLarge, len(ids), mostItems)
	}
	f := &c.Record().Wait
	f.Scans = 0
	buf := blobBytes.Get().(*[]byte)
	defer blobBytes.Put(buf)
	many := (*buf)[:0]
	for i, id := range ids {
		if len(ids) <= fewItems {
			f.Few[i] = id.ref()
			continue
		}
		many = binary.LittleEndian.AppendUint64(many, id.v)
	}
	*buf = many
	err := u.setBlob(c, &f.Many, many)
	if err == nil {
		f.Scans = uint32(len(ids))
	}
	return err
}

func (u *users) found(dst []Found, f *endFields) ([]Found, error) {
	if f.Found > mostFound {
		return dst, fmt.Errorf("%w: %d results", ErrCorrupt, f.Found)
	}
	err := u.readBlob(f.Results, func(b []byte) error {
		if len(b) != int(f.Found)*foundSize {
			return fmt.Errorf("%w: %d results in %d bytes", ErrCorrupt, f.Found, len(b))
		}
		for ; len(b) > 0; b = b[foundSize:] {
			dst = append(dst, Found{
				Account: int64(binary.LittleEndian.Uint64(b)), Tweet: int64(binary.LittleEndian.Uint64(b[8:])),
				Position: b[16], Images: b[17], Distance: b[18],
			})
		}
		return nil
	})
	return dst, err
}

func (u *users) setFound(c shm.Claim[userRecord], found []Found) error {
	f := &c.Record().End
	f.Found, f.Truncated = 0, 0
	if len(found) > mostFound {
		found, f.Truncated = found[:mostFound], 1
	}
	buf := blobBytes.Get().(*[]byte)
	defer blobBytes.Put(buf)
	b := (*buf)[:0]
	for _, x := range found {
		b = binary.LittleEndian.AppendUint64(b, uint64(x.Account))
		b = binary.LittleEndian.AppendUint64(b, uint64(x.Tweet))
		b = append(b, x.Position, x.Images, x.Distance, 0, 0, 0, 0, 0)
	}
	*buf = b
	err := u.setBlob(c, &f.Results, b)
	if err == nil {
		f.Found = uint32(len(found))
	}
	return err
}
