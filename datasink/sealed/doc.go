// Package sealed is the format in which a datasink seals blobs: C2SP chunked
// encryption (c2sp.org/chunked-encryption@v1), instantiation Cobblestone-256.
// It knows nothing of blobs and networks; package datasink puts it on storage.
//
//	w, err := sealed.NewWriter(file, key, context)
//	...
//	io.Copy(w, source)
//	err = w.Close() // seals the last chunk
//
// A sealed message authenticates its bytes, their order, its length, the key
// and a context: whoever holds the ciphertext can reorder, drop, repeat,
// truncate or splice nothing unseen, and a message that is moved to a place
// with another context does not open. What it cannot tell is whether it is the
// newest message of its place.
//
// # Layout
//
//	salt[24] commitment[32] chunk chunk ... last chunk
//
// A chunk is 16,384 bytes of plaintext under AES-256-GCM with its tag of 16.
// The last one is always shorter and may be empty, so the end is a chunk that
// cannot be cut off unseen. Sealing costs 72 bytes and 16 more for each full
// chunk, a thousandth of the data. Chunks can be opened in any order: see
// [ReaderAt], and [Opener] for programs that fetch ranges themselves.
//
// # Keys
//
// A key is 32 uniformly random bytes for this format alone. Each message is
// sealed under a key of its own, derived from the key, 24 random bytes and the
// context, so that one key may seal any number of messages.
//
// # Errors
//
// [ErrKey]: key or context are others, or the message is not of this format;
// found before any chunk is opened. [ErrDamaged]: bytes were altered.
// [io.ErrUnexpectedEOF]: the end is missing. No plaintext is handed out that
// was not authenticated, and errors are sticky.
//
// # Compatibility
//
// Messages are exchangeable with every implementation of Cobblestone-256. The
// tests pass the 35 vectors of Project Wycheproof.
package sealed
