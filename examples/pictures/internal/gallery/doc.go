// Package gallery reads, draws and questions a tree of pictures.
//
// The tree is a miniature of a social network of artists: each folder that
// holds pictures (JPEG, PNG or GIF files) directly is an account, and each of
// its pictures is something the account posted. Identifiers are derived from
// the names alone, so that several processes agree on them without talking to
// each other and a process which starts again finds the same ones.
//
// The package keeps no state outside the files it is told to write. Every file
// is written under a temporary name and then renamed, so a process killed at
// any moment leaves no half-written picture or page under a name which counts.
package gallery
