package datasink

import (
	"context"
	"fmt"
	"sync"
)

// VerifyOptions of [Sink.Verify].
type VerifyOptions struct {
	// Prefix limits the look to names that begin with it.
	Prefix string
	// Progress, if not nil, is told about each blob instead of the sink's.
	Progress func(Progress)
}

// VerifyResult is what [Sink.Verify] found.
type VerifyResult struct {
	// Files are the blobs that could be read to their ends, in the order of
	// their names. Path is empty.
	Files []File
	// Failed are the errors of the others, each an [Error] that names its
	// blob, in the order in which they were found.
	Failed []error
	// Unchecked is what the mode has no means to tell, as in [Assurance].
	Unchecked []string
}

// Verify reads every blob to its end, as [Sink.Download] does, and writes
// nothing: in modes Sealed and CSE each byte is authenticated on the way. A
// blob that fails does not keep the others from being read. The error says how
// many failed, or why the blobs could not be listed; the result is there in
// both cases, as far as the look came.
func (s *Sink) Verify(ctx context.Context, opts *VerifyOptions) (_ *VerifyResult, err error) {
	ctx, end := s.tracer.Start(ctx, "Verify")
	defer end(&err)
	if opts == nil {
		opts = &VerifyOptions{}
	}
	result := &VerifyResult{Unchecked: newAssurance(s.mode, nil).Unchecked}
	plan, err := s.planDownload(ctx, opts.Prefix, nil)
	if err != nil {
		return result, err
	}
	d := newDownloader(ctx, s, opts.Progress)
	var mu sync.Mutex
	d.failed = func(name string, err error) {
		mu.Lock()
		defer mu.Unlock()
		result.Failed = append(result.Failed, s.fail("verify", name, err))
	}
	err = d.run(plan)
	result.Files = d.done(plan)
	for i := range result.Files {
		result.Files[i].Path = ""
	}
	if err == nil && len(result.Failed) > 0 {
		err = fmt.Errorf("datasink: verify %s: %d of %d blobs failed, the first: %w", s, len(result.Failed), len(plan), result.Failed[0])
	}
	return result, err
}
