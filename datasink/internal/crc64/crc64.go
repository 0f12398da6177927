// Package crc64 computes the CRC-64 that Azure Storage checks transferred
// bytes against, several times as fast as hash/crc64. That package walks one
// chain of table look-ups, each of which waits for the one before it; this one
// walks several chains side by side, over adjacent parts of the data, and joins
// their results by arithmetic in GF(2)[x].
package crc64

import "encoding/binary"

// polynomial of the service, in the reversed bit order of hash/crc64.
const polynomial = 0x9A6C9329AC4BC9B5

const (
	lanes     = 4
	laneBytes = 8 << 10 // per step: the joins cost nothing against this
)

// tables[k][b] is what byte b does to the remainder, k bytes later.
var tables = makeTables()

// shift[k][b] is byte k of a remainder, b, moved over one lane of zero bytes.
var shift = makeShift()

func makeTables() (t [8][256]uint64) {
	for b := range 256 {
		crc := uint64(b)
		for range 8 {
			if crc&1 == 1 {
				crc = crc>>1 ^ polynomial
			} else {
				crc >>= 1
			}
		}
		t[0][b] = crc
	}
	for k := 1; k < 8; k++ {
		for b := range 256 {
			prev := t[k-1][b]
			t[k][b] = t[0][byte(prev)] ^ prev>>8
		}
	}
	return t
}

func makeShift() (t [8][256]uint64) {
	for k := range 8 {
		for bit := range 8 {
			crc := uint64(1) << (8*k + bit)
			for range laneBytes / 8 {
				crc = step(crc)
			}
			for b := range 256 {
				if b>>bit&1 == 1 {
					t[k][b] ^= crc
				}
			}
		}
	}
	return t
}

// step moves a remainder over eight bytes that were xored into it.
func step(crc uint64) uint64 {
	return tables[7][byte(crc)] ^ tables[6][byte(crc>>8)] ^ tables[5][byte(crc>>16)] ^ tables[4][byte(crc>>24)] ^
		tables[3][byte(crc>>32)] ^ tables[2][byte(crc>>40)] ^ tables[1][byte(crc>>48)] ^ tables[0][crc>>56]
}

// overLane moves a remainder over a lane of zero bytes.
func overLane(crc uint64) uint64 {
	return shift[0][byte(crc)] ^ shift[1][byte(crc>>8)] ^ shift[2][byte(crc>>16)] ^ shift[3][byte(crc>>24)] ^
		shift[4][byte(crc>>32)] ^ shift[5][byte(crc>>40)] ^ shift[6][byte(crc>>48)] ^ shift[7][crc>>56]
}

// Checksum is the CRC-64 of p.
func Checksum(p []byte) uint64 {
	crc := ^uint64(0)
	for len(p) >= lanes*laneBytes {
		a, b, c, d := p[:laneBytes], p[laneBytes:2*laneBytes], p[2*laneBytes:3*laneBytes], p[3*laneBytes:4*laneBytes]
		var crcB, crcC, crcD uint64
		for i := 0; i < laneBytes; i += 8 {
			crc = step(crc ^ binary.LittleEndian.Uint64(a[i:]))
			crcB = step(crcB ^ binary.LittleEndian.Uint64(b[i:]))
			crcC = step(crcC ^ binary.LittleEndian.Uint64(c[i:]))
			crcD = step(crcD ^ binary.LittleEndian.Uint64(d[i:]))
		}
		crc = overLane(overLane(overLane(crc)^crcB)^crcC) ^ crcD
		p = p[lanes*laneBytes:]
	}
	for ; len(p) >= 8; p = p[8:] {
		crc = step(crc ^ binary.LittleEndian.Uint64(p))
	}
	for _, b := range p {
		crc = tables[0][byte(crc)^b] ^ crc>>8
	}
	return ^crc
}
