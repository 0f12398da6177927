// Package datasink reads and writes encrypted blobs.
package datasink
