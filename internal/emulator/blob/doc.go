// Package blob emulates Azure Blob Storage for the local environment: the
// block blobs of every account below blob.core.windows.net, and the static
// websites that serve their $web containers. It speaks the service's REST
// protocol in memory and refuses what the service refuses, with the service's
// codes in header x-ms-error-code and, unless the request was HEAD, in an XML
// body.
//
// What is enforced: bearer tokens and grants per account and client;
// customer-provided keys on every request that touches content, metadata or
// properties; block ids of one length; uncommitted blocks that no reader sees;
// conditions; MD5 and CRC64 of transferred bytes where the client sends them.
//
// What is not there: leases, snapshots, versions, tags, append and page blobs,
// copies, shared keys and shared access signatures. Content is not encrypted
// at rest, since rest here is the memory of the test; only the digest of a
// customer's key is kept, as the service does.
package blob
