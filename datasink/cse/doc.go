// Package cse is the chunk format of client-side encryption (mode CSE) that
// the encrypting mount of clean rooms and the existing command line read and
// write. It knows nothing of blobs and networks; package datasink puts it on
// storage.
//
// # Layout
//
//	chunk chunk ... chunk trailer[8]
//	chunk = nonce[12] ciphertext[block size] tag[16]
//
// Each chunk is AES-256-GCM of one block under a random nonce, without
// additional data. The last block is filled with zeros; the trailer is the
// number of these, 64 bits big-endian, in the clear. The block size is agreed
// on elsewhere: 16 MiB since 2026 ([BlockSize]), 4 MiB before
// ([BlockSizeG1]). A message of one byte is therefore as long as one of 16
// MiB. An empty message is a trailer of zero, or nothing at all.
//
// # What the format cannot tell
//
// One key serves a whole store, and chunks carry neither number nor name:
// whoever can write to the storage can reorder, drop, repeat and splice
// chunks, cut a message at a chunk's end, and put one message in the place of
// another. No reader of this format can see that. [Unchecked] lists it, for
// programs that have to say what they did not check. Where both sides use this
// SDK, use package sealed instead.
//
// # What mounts leave behind
//
// The encrypting mount damages files that are not written once from start to
// end: appended after a flush, replaced by a shorter one, written with holes.
// A reader of this package refuses what it can see of that ([ErrMount],
// [ErrPadding], [ErrDamaged]) and reports what it can only suspect, see
// [Report].
package cse
