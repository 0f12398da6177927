// Package datasink reads and writes the encrypted blobs of a clean room.
//
// A [Sink] is one blob container with its mode and its key:
//
//	sink, err := datasink.New("https://account.blob.core.windows.net/output", cred,
//		&datasink.Options{Mode: datasink.CPK, DEK: dek})
//	...
//	err = sink.WriteFile(ctx, "output.txt", func(w io.Writer) error {
//		_, err := fmt.Fprintln(w, "id: 1")
//		return err
//	})
//
// Writing is like a transaction of database/sql: a [Writer] takes bytes,
// [Writer.Commit] makes them visible in one step, [Writer.Close] without a
// commit leaves nothing. A half-written result never has the result's name.
// Reading is an io.ReaderAt and all that goes with it. Both stay within a fixed
// number of blocks of memory, whatever the length.
//
// [Sink.Upload] and [Sink.Download] move directory trees, several files at a
// time; a download is the safe way to disk, and either can go on where it broke
// off. [Sink.FS] is for looking, [Sink.Verify] reads everything and writes
// nothing.
//
// # Places
//
// Besides containers there are directories ([Dir]), memory ([Memory]), and the
// mount that a clean room gives its application for each sink ([Mount]). A
// program that leaves key and mode to the mount says
//
//	sink, err := datasink.NewWithBackend(datasink.Mount("/mnt/remote/output"), nil)
//
// and gets writes that such a mount bears. Package cleanroom opens a room's sinks
// as containers, past the mounts: so output can be sealed, and appears only
// when it is whole.
//
// # Keys and modes
//
// In mode [Sealed] this package encrypts and authenticates everything, in the
// format of package sealed: bytes, order, length, and the place, which is the
// contract, the datasink and the blob's own name. It is the mode for data that
// programs with this SDK write and read. In mode [CSE] it encrypts in the
// format of the clean room's encrypting mount, package cse. In mode [CPK] the
// service encrypts with a key that the client sends in each request, over
// HTTPS, and that the service forgets; it keeps the key's SHA-256. This package
// sends the key wherever the service wants it, checks that the service confirms
// it, and does not take an http URL. While it serves a request the service holds
// key and plaintext in memory. In mode [SSE] the account's operator can read
// everything.
//
// A DEK belongs to one mode for life: under CPK the service sees it. Sinks
// refuse one that another mode has used in this process, however often it was
// read; across programs the specification document says the mode.
//
// A [DEK] never shows in text. A sink holds a copy, which [Sink.Close] clears;
// the base64 form that each request of mode CPK carries cannot be cleared.
// Bodies are the data itself, so they are not logged even if the client options
// say so.
//
// # What the service can do
//
// Whoever rules the account can remove a sealed blob, and bring back an older
// one of the same name; everything else is found ([ErrKey], [ErrDamaged]). In
// mode CSE it can also reorder, repeat, drop and splice chunks, see
// [cse.Unchecked]. In modes CPK and SSE blobs are not authenticated by the
// reader at all. ETags detect only a change during a read or a write.
// [Reader.Assurance] says of each blob what was not checked.
//
// # Errors
//
// Every error is, or holds, an [Error], which names the operation, the place
// and the blob and often a remedy; errors.As reaches the *azcore.ResponseError
// of the service. Callers branch on [ErrConflict], [ErrExist], [ErrChanged],
// [ErrKey], [ErrDamaged], [ErrName], [ErrUncertain] and [fs.ErrNotExist]. A
// commit whose answer was lost is recognised by a random id in the blob's
// metadata and counts as the success that it is.
//
// # Compatibility
//
// The wire is the storage REST api-version of azblob 1.8 (2026-06-06). Blobs
// in modes CPK and SSE are what blobfuse2 mounts of the same mode read and
// write, in mode CSE what the encrypting mount does; directory markers
// (metadata hdi_isfolder) are understood. A mount opens a blob for writing
// only if its blocks have the mount's size: set [Options.BlockSize] to 16 MiB
// for blobs that a mount shall change.
package datasink
