package blob

import (
	"encoding/xml"
	"errors"
	"net/http"
	"strconv"
)

// serviceError is an answer that refuses, with the service's code.
type serviceError struct {
	status        int
	code, message string
}

func (e *serviceError) Error() string { return e.code + ": " + e.message }

func failure(status int, code, message string) error {
	return &serviceError{status, code, message}
}

func invalidHeader(name, why string) error {
	return failure(http.StatusBadRequest, "InvalidHeaderValue", "header "+name+": "+why)
}

func missingHeader(name string) error {
	return failure(http.StatusBadRequest, "MissingRequiredHeader", "header "+name+" is missing")
}

var (
	errNoContainer = failure(http.StatusNotFound, "ContainerNotFound", "The specified container does not exist.")
	errNoBlob      = failure(http.StatusNotFound, "BlobNotFound", "The specified blob does not exist.")
	errCondition   = failure(http.StatusPreconditionFailed, "ConditionNotMet", "The condition of the request's conditional headers is not met.")
	errExists      = failure(http.StatusConflict, "BlobAlreadyExists", "The specified blob already exists.")
	errNotModified = failure(http.StatusNotModified, "ConditionNotMet", "")
)

// fail answers with an error: code in the header, which is all that HEAD
// gives, and code and message as XML.
func (c *call) fail(err error) {
	var e *serviceError
	if !errors.As(err, &e) {
		e = &serviceError{http.StatusInternalServerError, "InternalError", err.Error()}
	}
	h := c.w.Header()
	h.Set("x-ms-error-code", e.code)
	if c.r.Method == http.MethodHead || e.status == http.StatusNotModified {
		c.w.WriteHeader(e.status)
		return
	}
	c.xml(e.status, struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
	}{Code: e.code, Message: e.message + "\nRequestId:" + h.Get("x-ms-request-id")})
}

func (c *call) xml(status int, v any) {
	body, err := xml.Marshal(v)
	if err != nil {
		panic("blob: internal error: " + err.Error())
	}
	body = append([]byte(xml.Header), body...)
	c.w.Header().Set("Content-Type", "application/xml")
	c.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(status)
	c.w.Write(body)
}
