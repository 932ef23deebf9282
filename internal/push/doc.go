// Package push brings a published dataset to where others load it from: a
// dataset repository of the Hugging Face Hub, or of a server that speaks its
// protocol (hub.go), or a bucket of any store that speaks S3's (s3.go).
//
// What is pushed is what SHA256SUMS of the folder lists, and nothing goes
// before all of it holds. What is there already with the same digest is not
// sent again, so that a push that was cut off goes on where it was, and one
// with nothing new sends nothing. Tokens and keys are in no error and no report.
package push
