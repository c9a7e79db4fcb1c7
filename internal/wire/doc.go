// Package wire carries token rows between routers and expert nodes: binary
// frames over a bidirectional gRPC stream, without protocol buffers, with pooled
// buffers and a checksum.
//
// # Stream
//
// A router opens olmoe.dispatch.v1.ExpertNode/Dispatch once per node and lane
// and keeps it. The node sends Hello at once, then Update each time what it
// holds changes or it starts to drain. The router sends Requests; each is
// answered, in any order, by one Response or Error with the same call id. A
// router that has read draining stops sending, waits for its answers and
// half-closes; the node then ends the stream, so both know that nothing was lost.
//
// # Frame
//
// One gRPC message is one frame: a header of 48 bytes, then the payload. All
// numbers are little-endian.
//
//	 0  u8[4]  magic "OLMD"
//	 4  u8     version, 3
//	 5  u8     type
//	 6  u16    layer
//	 8  u64    call id; in Hello and Update the sender's state sequence
//	16  i64    placement epoch the call uses; in Hello and Update the node's ready epoch
//	24  u32    rows
//	28  u32    pairs: (row, expert) combinations
//	32  u32    hidden: float32 elements of a row
//	36  u32    payload bytes
//	40  u32    checksum of the whole frame, this field taken as zero (see checksum)
//	44  u8     format of rows: 0 float32, 1 bfloat16, 2 packed; zero where there are none
//	45  u8[3]  zero
//
// Payloads:
//
//	Request   u16[rows] experts of each row (1 to the model's experts a layer);
//	          u16[pairs] expert indices, row by row; zero bytes up to a multiple of
//	          4; rows, float32 or packed. A row travels once, however many of its
//	          experts live on the node. Pairs are at most what a Response holds.
//	Response  u64 nanoseconds queued; u64 nanoseconds computing; both below 2^63;
//	          pairs rows, float32 or bfloat16, the expert's unweighted output, in the
//	          request's order.
//	Error     u16 code; u16 length; UTF-8 message. Call id 0 is about the stream.
//	Hello,    u64 instance (random, new in each process); u16 layers; u16 experts
//	Update    a layer; u8 flags (1 = draining); u8 name length; u8 fingerprint
//	          length; u8 zero; name; model fingerprint; for each layer a bitmap of
//	          (experts+7)/8 bytes, bit i%8 of byte i/8 set if expert i is held.
//
// A packed row is groups of 32 elements: f32 scale, i32 -128 times the sum of the
// integers, i8[32] integers; a last group is filled up with zeros (ADR 0092, 0121). Rows
// are packed and outputs bfloat16 where the model's weights are 8-bit integers, else
// float32 (ADR 0168).
//
// A frame must be exactly as long as its counts say; anything else is an error,
// and the stream that carried it is given up: after a bad frame nothing on it
// can be trusted. A later version changes the version byte; a peer refuses
// versions that it does not know, and says so.
//
// # Files
//
//	header, limits                        what all frames have, and their bounds
//	announce, request, response, failure  the payloads: Hello and Update, Request, Response, Error
//	in, out, pool                         a frame that came, one to send, and their memory
//	format                                how rows are stored
//	checksum, float, bitmap               the sum over a frame, numbers as bytes, the experts that a node holds
//	codec, service                        frames and streams as gRPC has them
//	options, dial                         connections
package wire
