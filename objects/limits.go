package objects

import "github.com/aotf/sharedmem/shm"

// Limits are one word, so that the two are the same creator's.
func limitsWord(tokens, perAddress int) uint64 { return uint64(tokens) | uint64(perAddress)<<8 }

// Tokens is the number of listing tokens.
func (m *SharedMemory) Tokens() int { return int(m.tree.limits.Load() & 0xff) }

func (m *SharedMemory) perAddress() int {
	return min(int(m.tree.limits.Load()>>8&0xff), mostCells)
}

// SetLimits changes the limits of a segment that no process is attached to:
// Tokens and PerAddress of o, each unless it is 0. shm.ErrInUse while a process
// is attached: an application starts its listers for the tokens that it finds.
func SetLimits(name string, o *Options) error {
	opt := *o
	if err := opt.fill(); err != nil {
		return err
	}
	return shm.SetSetting(name, "limits", func(old uint64) uint64 {
		is := opt
		if o.Tokens == 0 && old != 0 {
			is.Tokens = int(old & 0xff)
		}
		if o.PerAddress == 0 && old != 0 {
			is.PerAddress = int(old >> 8 & 0xff)
		}
		return limitsWord(is.Tokens, is.PerAddress)
	}, opt.segment())
}
