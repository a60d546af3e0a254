package shm

// A PermitInfo is one permit of a semaphore that is held, or whose last holder
// died with it. Since when it is held, the segment does not say.
type PermitInfo struct {
	Permit     int    `json:"permit"`
	Held       bool   `json:"held"`
	Process    int    `json:"process"` // registry slot of its holder, -1 none
	Generation uint32 `json:"generation"`
	Alive      bool   `json:"alive"` // the kernel says that this very process lives
	Died       bool   `json:"died"`  // an earlier holder died with it; see Permit.Recovered
	Times      uint32 `json:"times"` // how often it was taken: the same number is the same taking
}

// Permits lists the permits of a semaphore or mutex that are held or marked.
func (m *Image) Permits(name string) (list []PermitInfo, err error) {
	err = guard(m.c.mem, func() error {
		for _, s := range m.c.sems {
			if s.obj.Name != name {
				continue
			}
			for i := range s.cells {
				v := s.cells[i].load(ptSemLook)
				slot, gen := cellOwner(v)
				if slot == 0 && v&cellDied == 0 {
					continue
				}
				list = append(list, PermitInfo{i, slot != 0, int(slot) - 1, gen,
					slot != 0 && m.c.lives(slot, gen) && m.file.alive(uint32(slot)-1), v&cellDied != 0, uint32(v)})
			}
		}
		return nil
	})
	return list, err
}

// Claims is Segment.Claims for a segment that is not attached.
func (m *Image) Claims() (list []ClaimInfo, err error) {
	err = guard(m.c.mem, func() error { list = m.c.claims(); return nil })
	return list, err
}

// Find reads one record by its reference, arena.index.life. ErrGone when it was
// freed, is not published, or the text is no reference of this segment.
func (m *Image) Find(text string) (arenaName string, rec Record, err error) {
	var r Ref[struct{}]
	if err := r.UnmarshalText([]byte(text)); err != nil {
		return "", rec, err
	}
	err = guard(m.c.mem, func() error {
		a := m.c.arenas[r.r.arena()]
		if r.r == 0 || a == nil || r.r.index() >= a.n || a.gone(r.r, header(a.head(r.r.index()).load(ptLoadHeader))) {
			return ErrGone
		}
		found := false
		arenaName = a.obj.Name
		if rec, found = m.record(a, r.r.index(), make([]uint64, a.size8)); !found || rec.Ref != text {
			return ErrGone
		}
		return nil
	})
	return arenaName, rec, err
}
