package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/cleanroom-go/sdk/examples/internal/steps"
	"github.com/cleanroom-go/sdk/internal/check"
	"github.com/cleanroom-go/sdk/record"
)

// operator is who runs the machines of the demo, in the record.
const operator = "operator"

func (s *scenario) recordFile(party string) string { return s.path(party + ".record") }

// reportable begins the record, and refuses a place for the report that cannot
// be one before anything is started.
func (s *scenario) reportable() (err error) {
	if s.config.report == "" {
		return nil
	}
	if s.config.report, err = filepath.Abs(s.config.report); err != nil {
		return fmt.Errorf("-report: %w", err)
	}
	if info, err := os.Stat(s.config.report); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("-report: %s is not a file", s.config.report)
	}
	if info, err := os.Stat(filepath.Dir(s.config.report)); err != nil || !info.IsDir() {
		return fmt.Errorf("-report: there is no folder %s", filepath.Dir(s.config.report))
	}
	s.record = record.New(operator, &s.recorded, nil)
	return nil
}

// writeReport merges the records of all processes and writes the page whole or
// not at all. A denial is in it, since who was denied has recorded that before
// saying so; the processes may still run.
func (s *scenario) writeReport() (err error) {
	if s.config.report == "" {
		return nil
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("-report: %w", err)
		}
	}()
	if err := s.record.Close(); err != nil {
		return err
	}
	readers := []io.Reader{&s.recorded}
	for _, party := range []string{steps.Publisher, steps.Consumer, steps.Room} {
		f, err := os.Open(s.recordFile(party))
		if errors.Is(err, os.ErrNotExist) {
			continue // a run that ended early has not started all
		}
		if err != nil {
			return err
		}
		defer f.Close()
		readers = append(readers, f)
	}
	all, err := record.Read(readers...)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(s.config.report), ".cleanroom-report-")
	if err != nil {
		return err
	}
	err = errors.Join(all.WriteHTML(f, s.pageOptions()), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), s.config.report)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

func (s *scenario) pageOptions() *record.PageOptions {
	title := "Clean room run"
	if s.config.deny != "" {
		title += ", case " + s.config.deny
	}
	database := "PostgreSQL"
	if s.db.StandIn {
		database = "stand-in, not PostgreSQL"
	}
	return &record.PageOptions{Title: title, Labels: map[string]string{
		"database": database, "sev-guest.cleanroomtest.internal": "SNP device",
	}}
}

func (s *scenario) reportLine() string {
	if s.config.report == "" {
		return ""
	}
	return fmt.Sprintf("report      %s\n", check.Printable(s.config.report))
}
