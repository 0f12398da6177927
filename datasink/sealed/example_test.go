package sealed_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"

	"github.com/cleanroom-go/sdk/datasink/sealed"
)

// A message is sealed into any writer and opened from any reader. One that is
// cut off, be it between two chunks, is an error at the end and not a short
// message.
func Example() {
	key := make([]byte, sealed.KeySize)
	rand.Read(key)
	place := []byte("contract/sink/output.txt")

	var stored bytes.Buffer
	w, err := sealed.NewWriter(&stored, key, place)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := io.WriteString(w, "id: 1\nid: 2\n"); err != nil {
		log.Fatal(err)
	}
	if err := w.Close(); err != nil { // without it the message has no end
		log.Fatal(err)
	}
	fmt.Println(stored.Len(), "bytes are stored")

	r, err := sealed.NewReader(bytes.NewReader(stored.Bytes()), key, place)
	if err != nil {
		log.Fatal(err)
	}
	text, err := io.ReadAll(r)
	fmt.Printf("%s%v\n", text, err)

	_, err = sealed.NewReader(bytes.NewReader(stored.Bytes()), key, []byte("contract/sink/other.txt"))
	fmt.Println("at another place:", errors.Is(err, sealed.ErrKey))
	// Output:
	// 84 bytes are stored
	// id: 1
	// id: 2
	// <nil>
	// at another place: true
}

// Any part of a long message is read from the chunks that hold it, and from the
// last one, by which its length is known to be true.
func ExampleNewReaderAt() {
	key := make([]byte, sealed.KeySize)
	rand.Read(key)
	var stored bytes.Buffer
	w, err := sealed.NewWriter(&stored, key, nil)
	if err != nil {
		log.Fatal(err)
	}
	for i := range 100_000 {
		fmt.Fprintf(w, "row %06d\n", i)
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	r, err := sealed.NewReaderAt(bytes.NewReader(stored.Bytes()), int64(stored.Len()), key, nil)
	if err != nil {
		log.Fatal(err)
	}
	row := make([]byte, 10)
	if _, err := r.ReadAt(row, 54_321*11); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s of %d bytes\n", row, r.Size())
	// Output: row 054321 of 1100000 bytes
}
