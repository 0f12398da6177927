package cleanroom

import (
	"errors"
	"fmt"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/cleanroom-go/sdk/datasink"
)

// chunkSizeG1 is that of the encrypting mount of the releases of 2024.
const chunkSizeG1 = 4 << 20

// OpenSink opens the container of a data store: [datasink.Sink.Upload] brings
// data there, [datasink.Sink.Download] fetches a result, and either encrypts or
// decrypts on the way. The sink an access point leads to is that of its
// [AccessPoint.Datastore]. Mode and data key are the data store's own, the key
// from the local store that it names; of the options they, and the size of a
// chunk of [G1], must be zero. A data key that is missing is
// [io/fs.ErrNotExist] and is not made. The caller should close the sink.
//
// Only stores of blobs open: those of OneLake and S3 have no client here.
func (s *Datastores) OpenSink(name string, secrets *SecretStores, cred azcore.TokenCredential, opts *datasink.Options) (*datasink.Sink, error) {
	return s.open(name, secrets, opts, func(e *Datastore, o *datasink.Options) (*datasink.Sink, error) {
		if e.Type != BlobResource && e.Type != DataLakeResource {
			return nil, fmt.Errorf("it is of the type %s, which is not read here; use the tools of that service", e.Type)
		}
		return datasink.New(e.ContainerURL(), cred, o)
	})
}

// OpenDirectory opens a directory that has, or gets, the blobs of a data store
// in mode CSE as they are stored, for those who copy the stored bytes with
// another program: [datasink.Sink.Upload] into it encrypts a tree,
// [datasink.Sink.Download] out of it decrypts one. Other modes are refused:
// there the service encrypts, and a directory has none.
func (s *Datastores) OpenDirectory(name string, secrets *SecretStores, directory string, opts *datasink.Options) (*datasink.Sink, error) {
	return s.open(name, secrets, opts, func(e *Datastore, o *datasink.Options) (*datasink.Sink, error) {
		if e.Mode != ModeCSE {
			return nil, fmt.Errorf("its mode is %s, in which the service encrypts; only files of mode CSE are encrypted and decrypted on a disk", e.Mode)
		}
		return datasink.NewWithBackend(datasink.Dir(directory), o)
	})
}

func (s *Datastores) open(name string, secrets *SecretStores, opts *datasink.Options, with func(*Datastore, *datasink.Options) (*datasink.Sink, error)) (*datasink.Sink, error) {
	e, err := s.Store(name)
	if err != nil {
		return nil, err
	}
	var o datasink.Options
	if opts != nil {
		o = *opts
	}
	sink, err := s.openEntry(e, secrets, &o, with)
	if err != nil {
		return nil, builderError("open data store", name, err)
	}
	return sink, nil
}

func (s *Datastores) openEntry(e *Datastore, secrets *SecretStores, o *datasink.Options, with func(*Datastore, *datasink.Options) (*datasink.Sink, error)) (*datasink.Sink, error) {
	if o.Mode != "" || o.DEK != nil {
		return nil, errors.New("mode and key are the data store's own; leave them out of the options")
	}
	o.Mode = datasink.Mode(e.Mode)
	if e.Mode == ModeCSE && s.Generation == G1 {
		if o.ChunkSize != 0 && o.ChunkSize != chunkSizeG1 {
			return nil, fmt.Errorf("a chunk of this generation has %d bytes; leave the size out of the options", chunkSizeG1)
		}
		o.ChunkSize = chunkSizeG1
	}
	if e.Mode == ModeCPK || e.Mode == ModeCSE {
		dek, err := s.loadDEK(e, secrets)
		if err != nil {
			return nil, err
		}
		defer dek.Close() // the sink has what it needs of it
		o.DEK = dek
	}
	return with(e, o)
}

// loadDEK makes neither a key nor a directory for it.
func (s *Datastores) loadDEK(e *Datastore, secrets *SecretStores) (*datasink.DEK, error) {
	if err := s.checkKey(e, secrets); err != nil {
		return nil, err
	}
	store, err := secrets.Store(e.SecretStore)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(store.URL); err != nil {
		return nil, fmt.Errorf("the directory of the secret store %q: %w; a relative one begins where the program runs", store.Name, err)
	}
	keys, err := OpenDEKStore(store.URL)
	if err != nil {
		return nil, err
	}
	return keys.Load(e.Name)
}
