package objects

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
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

func (u *users) copyOut(id UserID, rec *userRecord, st shm.Status, dst *UserRequest) error {
	t := &u.m.tree
	accounts, images, scans, found := dst.Accounts[:0], dst.ImageURLs[:0], dst.Scans[:0], dst.Found[:0]
	*dst = UserRequest{
		ID: id, Status: u.status(st), Attempt: st.Attempt(),
		Query:     Query{URL: shm.Text(rec.Key.URL[:]), Direct: rec.Key.Direct != 0, Account: shm.Text(rec.Key.Account[:])},
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
	long, err := t.blobs.Append(nil, rec.LongURL)
	if err != nil {
		return err
	}
	if len(long) > 0 {
		dst.Query.URL = string(long)
	}
	if dst.Accounts, err = u.accounts(accounts, &rec.Link); err != nil {
		return err
	}
	for i := range min(rec.Link.Images, uint32(len(rec.Link.ImageURLs))) {
		b, err := t.blobs.Append(nil, rec.Link.ImageURLs[i])
		if err != nil {
			return err
		}
		images = append(images, string(b))
	}
	dst.ImageURLs = images
	ids, err := u.scanIDs(&rec.Wait)
	if err != nil {
		return err
	}
	dst.Scans = append(scans, ids...)
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
	if n <= fewItems {
		for i := range n {
			dst = append(dst, Account{f.Few[i].ID, shm.Text(f.Few[i].Name[:])})
		}
		return dst, nil
	}
	b, err := u.m.tree.blobs.Append(nil, f.Many)
	if err != nil {
		return dst, err
	}
	const size = 8 + nameBytes
	if len(b) != n*size {
		return dst, fmt.Errorf("%w: %d accounts in %d bytes", ErrCorrupt, n, len(b))
	}
	for ; len(b) > 0; b = b[size:] {
		dst = append(dst, Account{int64(binary.LittleEndian.Uint64(b)), shm.Text(b[8:size])})
	}
	return dst, nil
}

func (u *users) setAccounts(c shm.Claim[userRecord], accounts []Account) error {
	if len(accounts) < 1 || len(accounts) > mostItems {
		return fmt.Errorf("%w: %d accounts, want 1 to %d", ErrTooLarge, len(accounts), mostItems)
	}
	f := &c.Record().Link
	f.Accounts = 0 // until what is counted is there
	var many []byte
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
	err := u.setBlob(c, &f.Many, many)
	if err == nil {
		f.Accounts = uint32(len(accounts))
	}
	return err
}

func (u *users) scanIDs(f *waitFields) (ids []ScanID, err error) {
	n := int(f.Scans)
	if n > mostItems {
		return nil, fmt.Errorf("%w: %d scans", ErrCorrupt, n)
	}
	if n <= fewItems {
		for i := range n {
			ids = append(ids, scanID(f.Few[i]))
		}
		return ids, nil
	}
	b, err := u.m.tree.blobs.Append(nil, f.Many)
	if err != nil {
		return nil, err
	}
	if len(b) != n*8 {
		return nil, fmt.Errorf("%w: %d scans in %d bytes", ErrCorrupt, n, len(b))
	}
	for ; len(b) > 0; b = b[8:] {
		ids = append(ids, ScanID{binary.LittleEndian.Uint64(b)})
	}
	return ids, nil
}

func (u *users) setScans(c shm.Claim[userRecord], ids []ScanID) error {
	if len(ids) > mostItems {
		return fmt.Errorf("%w: %d scans, want at most %d", ErrTooLarge, len(ids), mostItems)
	}
	f := &c.Record().Wait
	f.Scans = 0
	var many []byte
	for i, id := range ids {
		if len(ids) <= fewItems {
			f.Few[i] = id.ref()
			continue
		}
		many = binary.LittleEndian.AppendUint64(many, id.v)
	}
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
	b, err := u.m.tree.blobs.Append(nil, f.Results)
	if err != nil {
		return dst, err
	}
	if len(b) != int(f.Found)*foundSize {
		return dst, fmt.Errorf("%w: %d results in %d bytes", ErrCorrupt, f.Found, len(b))
	}
	for ; len(b) > 0; b = b[foundSize:] {
		dst = append(dst, Found{
			Account: int64(binary.LittleEndian.Uint64(b)), Tweet: int64(binary.LittleEndian.Uint64(b[8:])),
			Position: b[16], Images: b[17], Distance: b[18],
		})
	}
	return dst, nil
}

func (u *users) setFound(c shm.Claim[userRecord], found []Found) error {
	f := &c.Record().End
	f.Found, f.Truncated = 0, 0
	if len(found) > mostFound {
		found, f.Truncated = found[:mostFound], 1
	}
	var b []byte
	for _, x := range found {
		b = binary.LittleEndian.AppendUint64(b, uint64(x.Account))
		b = binary.LittleEndian.AppendUint64(b, uint64(x.Tweet))
		b = append(b, x.Position, x.Images, x.Distance, 0, 0, 0, 0, 0)
	}
	err := u.setBlob(c, &f.Results, b)
	if err == nil {
		f.Found = uint32(len(found))
	}
	return err
}
