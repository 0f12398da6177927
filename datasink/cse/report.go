package cse

import "fmt"

// Report says what a reader of a whole message saw beyond its bytes.
type Report struct {
	// Size is the length of the plaintext in bytes, by the trailer.
	Size int64
	// Chunks is the number of chunks.
	Chunks int64
	// Zeros is the number of zero bytes at the end of the last block that the
	// trailer, by counting no padding, calls data. A mount leaves that where a
	// block was appended to a file, and a trailer can be rewritten so; but a
	// message may also end in zeros.
	Zeros int64
}

// Suspicious says why the message may be longer than what was written, or is
// empty.
func (r Report) Suspicious() string {
	if r.Zeros == 0 {
		return ""
	}
	return fmt.Sprintf("the last block ends in %d zero bytes that count as data: if the file did not end so, a mount appended to it, or its trailer was changed", r.Zeros)
}

func newReport(chunks int64, pad, blockSize int, last []byte) Report {
	r := Report{Size: chunks*int64(blockSize) - int64(pad), Chunks: chunks}
	if pad == 0 {
		r.Zeros = trailingZeros(last)
	}
	return r
}
