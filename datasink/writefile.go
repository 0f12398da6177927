package datasink

import (
	"context"
	"io"
)

// WriteFile writes one blob: it commits if write returns nil and no write to
// its argument failed. If write returns an error, panics or ends its
// goroutine, nothing becomes visible.
func (s *Sink) WriteFile(ctx context.Context, name string, write func(io.Writer) error) (err error) {
	ctx, end := s.tracer.Start(ctx, "WriteFile")
	defer end(&err)
	w, err := s.Create(ctx, name, nil)
	if err != nil {
		return err
	}
	defer w.Close()
	if err := write(content{w}); err != nil {
		return s.fail("write", name, err)
	}
	return w.Commit()
}

// content is a Writer without the methods that end it: when a write is over
// is for WriteFile to say.
type content struct{ w *Writer }

func (c content) Write(p []byte) (int, error)          { return c.w.Write(p) }
func (c content) ReadFrom(r io.Reader) (int64, error)  { return c.w.ReadFrom(r) }
func (c content) WriteString(text string) (int, error) { return c.w.Write([]byte(text)) }
