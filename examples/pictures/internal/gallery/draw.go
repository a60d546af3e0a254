package gallery

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// MinDrawnDistance is the least [Distance] between the hashes of any two of the
// pictures that [Draw] paints.
const MinDrawnDistance = 14

// TestdataAccount is the account into which [Draw] copies the test images that
// ship with Go: many encodings of few pictures, and one unreadable file.
const TestdataAccount = "go-testdata"

// cutShort is the unreadable file: half of one of the others. Those which Go
// names truncated can be decoded all the same.
const (
	cutShort     = "cut-short.png"
	wholePicture = "video-001.png"
)

const picturesPerAccount = 50

// Invented words; none is meant to be anybody's name.
var accountNames = [...]string{
	"avelumi", "brindoko", "cathuriel", "dosmiren", "elovanti", "fenkuru",
	"halimosa", "mirako", "oskelune", "pirovaya", "teruvan", "zunamiri",
}

// Drawn says what [Draw] made.
type Drawn struct {
	Painted   int    // pictures painted
	Redrawn   int    // pictures thrown away because they were too near another
	Copied    int    // files put into TestdataAccount: Go's test images and an unreadable one
	NotCopied string // why TestdataAccount is missing; empty when it is there
}

// Draw makes a tree of pictures in the folder dir, which it creates when
// necessary: 12 accounts of 50 painted pictures, any two of which are at least
// [MinDrawnDistance] apart, and [TestdataAccount]. The same seed gives the same
// files, modification times included, on processors of the same kind. Within an
// account the modification times increase in the order of the file names.
// progress, unless nil, is called after each file with the number of files done
// and the total.
//
// Files of the same names are replaced and others left alone, so a Draw that
// was interrupted is completed by running it again with the same seed. It
// fails when dir cannot be written; Go's test images not being installed is no
// failure, see [Drawn].
func Draw(dir string, seed uint64, progress func(done, total int)) (Drawn, error) {
	var drawn Drawn
	source, names, err := goTestdata()
	if err != nil {
		drawn.NotCopied = err.Error()
	}
	done, total := 0, len(accountNames)*picturesPerAccount+len(names)
	step := func() {
		done++
		if progress != nil {
			progress(done, total)
		}
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	var hashes []uint64
	for _, account := range accountNames {
		folder := filepath.Join(dir, account)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return drawn, fmt.Errorf("gallery: drawing: %w", err)
		}
		for number := range picturesPerAccount {
			file, ending, hash, tries, err := paintApart(rng, hashes)
			if err != nil {
				return drawn, fmt.Errorf("gallery: drawing: %w", err)
			}
			hashes = append(hashes, hash)
			path := filepath.Join(folder, fmt.Sprintf("%s-%03d%s", account, number+1, ending))
			if err := post(path, file, number); err != nil {
				return drawn, fmt.Errorf("gallery: drawing: %w", err)
			}
			drawn.Painted++
			drawn.Redrawn += tries - 1
			step()
		}
	}
	for number, name := range names {
		if err := copyPicture(source, name, filepath.Join(dir, TestdataAccount), number); err != nil {
			return drawn, fmt.Errorf("gallery: copying Go's test images: %w", err)
		}
		drawn.Copied++
		step()
	}
	return drawn, nil
}

// paintApart paints until the picture is far from all the others. It measures
// the encoded file, since that is what readers will hash.
func paintApart(rng *rand.Rand, others []uint64) (file []byte, ending string, hash uint64, tries int, err error) {
	// About one picture in several hundred is too near another, so the limit
	// only stops a programming mistake from running for ever.
	for tries = 1; tries <= 1000; tries++ {
		file, ending, err = encode(paint(rng), rng)
		if err != nil {
			return nil, "", 0, tries, err
		}
		hash, err = hashBytes(file)
		if err != nil {
			return nil, "", 0, tries, err
		}
		if nearest(hash, others) >= MinDrawnDistance {
			return file, ending, hash, tries, nil
		}
	}
	return nil, "", 0, tries, fmt.Errorf("no picture differs enough from the %d others; try another seed", len(others))
}

// nearest is the distance from hash to the closest of the others, 65 if none.
func nearest(hash uint64, others []uint64) int {
	least := 65
	for _, other := range others {
		least = min(least, Distance(hash, other))
	}
	return least
}

// post writes a picture as if its account had posted it as its number-th. The
// time is set before any reader is likely to look, but not atomically with the
// file's appearance.
func post(path string, file []byte, number int) error {
	if err := writeFile(path, file); err != nil {
		return err
	}
	posted := time.Date(2024, time.January, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(number) * time.Hour)
	return os.Chtimes(path, posted, posted)
}

func copyPicture(source, name, folder string, number int) error {
	from := name
	if name == cutShort {
		from = wholePicture
	}
	file, err := os.ReadFile(filepath.Join(source, from))
	if err != nil {
		return err
	}
	if name == cutShort {
		file = file[:len(file)/2]
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return post(filepath.Join(folder, name), file, number)
}

// goTestdata finds the pictures in image/testdata of the Go installation.
func goTestdata() (dir string, names []string, err error) {
	root, err := goRoot()
	if err != nil {
		return "", nil, fmt.Errorf("the test images of Go were not found: %w", err)
	}
	dir = filepath.Join(root, "src", "image", "testdata")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", nil, fmt.Errorf("the test images of Go were not found: %w", err)
	}
	for _, entry := range entries {
		if isPicture(entry) {
			names = append(names, entry.Name())
		}
	}
	if !slices.Contains(names, wholePicture) {
		return "", nil, fmt.Errorf("the test images of Go were not found: %s has no %s", dir, wholePicture)
	}
	names = append(names, cutShort)
	slices.Sort(names)
	return dir, names, nil
}

func goRoot() (string, error) {
	command := exec.Command("go", "env", "GOROOT")
	command.Dir = os.TempDir() // outside any module, which could select another Go
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("go env GOROOT: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
