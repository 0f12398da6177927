package cleanroom

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// Variables in which a packed source reaches its application.
const (
	// SourceVariable is a gzip tar in base64.
	SourceVariable = "CODE"
	// SourceDigestVariable is the SHA-256 of the gzip tar in lower case hex.
	SourceDigestVariable = "CODE_SHA256"
)

const (
	// MaxSourceVariable bounds the variable with its name: Linux takes no
	// longer text into the environment of a program (MAX_ARG_STRLEN, 32 pages of
	// 4 KiB, of which the last byte ends the text).
	MaxSourceVariable = 32*4096 - 1
	// maxSourceFiles and maxSourceBytes bound what is packed, before packing.
	maxSourceFiles = 1000
	maxSourceBytes = 4 << 20
)

// PackedSource is a program in source form that travels in the contract: each
// party reads it there, votes on its digest, and the policy of the deployment
// holds it. Use it for what is small; an image with the program built in is
// better, since building in the room fetches and runs what nobody has pinned.
type PackedSource struct {
	archive []byte
	digest  [32]byte
	files   []string
}

// PackSource packs the files of a directory under a folder named application,
// as a gzip tar whose bytes depend on names, contents and the release of Go
// alone. Links, devices
// and hidden files are refused rather than left out; limits are 1,000 files,
// 4 MiB of contents, and [MaxSourceVariable] for the packed form in base64.
func PackSource(dir fs.FS) (*PackedSource, error) {
	fail := func(err error) (*PackedSource, error) { return nil, fmt.Errorf("cleanroom: pack source: %w", err) }
	if dir == nil {
		return fail(errors.New("there is no directory"))
	}
	p := &PackedSource{}
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	archive := tar.NewWriter(zip)
	left := int64(maxSourceBytes)
	err := fs.WalkDir(dir, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		if strings.HasPrefix(entry.Name(), ".") {
			return fmt.Errorf("%s is hidden; move it out of the directory, every party reads what is packed", name)
		}
		if entry.IsDir() {
			return nil
		}
		if !entry.Type().IsRegular() {
			return fmt.Errorf("%s is not a regular file", name)
		}
		if len(p.files) == maxSourceFiles {
			return fmt.Errorf("there are more than %d files; build an image", maxSourceFiles)
		}
		p.files = append(p.files, name)
		return packFile(archive, dir, name, &left)
	})
	if err != nil {
		return fail(err)
	}
	if len(p.files) == 0 {
		return fail(errors.New("the directory has no files"))
	}
	if err := errors.Join(archive.Close(), zip.Close()); err != nil {
		return fail(err)
	}
	p.archive, p.digest = b.Bytes(), sha256.Sum256(b.Bytes())
	if n := len(SourceVariable) + 1 + base64.StdEncoding.EncodedLen(len(p.archive)); n > MaxSourceVariable {
		return fail(fmt.Errorf("packed it has %d bytes with its name, more than the %d that a program's environment takes; build an image", n, MaxSourceVariable))
	}
	return p, nil
}

// packFile writes one file; left is what may still be packed.
func packFile(archive *tar.Writer, dir fs.FS, name string, left *int64) error {
	f, err := dir.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, *left+1))
	if err != nil {
		return err
	}
	if *left -= int64(len(b)); *left < 0 {
		return fmt.Errorf("the files have more than %d bytes; build an image", maxSourceBytes)
	}
	if looksSecret(string(b)) {
		return fmt.Errorf("%s looks as if it held a private key or an address with a password, and every party reads what is packed", name)
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: "application/" + name, Mode: 0o644, Size: int64(len(b)), Format: tar.FormatPAX}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err = archive.Write(b)
	return err
}

// Digest is the SHA-256 of the gzip tar in lower case hex.
func (p *PackedSource) Digest() string { return hex.EncodeToString(p.digest[:]) }

// Files are the packed names, in order.
func (p *PackedSource) Files() []string { return append([]string(nil), p.files...) }

// Variables are those that the application unpacks and checks.
func (p *PackedSource) Variables() Environment {
	return Environment{
		{SourceVariable, base64.StdEncoding.EncodeToString(p.archive)},
		{SourceDigestVariable, p.Digest()},
	}
}
