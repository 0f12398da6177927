package datasink

// Mode says who encrypts the bytes of a sink. Its text is the one of the
// specification document.
type Mode string

const (
	// CPK is encryption by the storage service with a key that the client
	// sends with every request and the service forgets (customer-provided
	// keys, storage REST api-version 2019-02-02 and later).
	CPK Mode = "CPK"
	// SSE is encryption by the storage service with a key of its own: the
	// account's operator can read the bytes.
	SSE Mode = "SSE"
)
