// Uploads a file with the official client, which goes on after every cut by itself.
// Prints the address of the upload, and how many connections were cut under it.
'use strict'

const fs = require('node:fs')
const tus = require('tus-js-client')

const [endpoint, key, path] = process.argv.slice(2)
let cuts = 0

const upload = new tus.Upload(fs.createReadStream(path), {
  endpoint,
  headers: { authorization: `Bearer ${key}` },
  metadata: { filename: 'talk.wav' },
  // Counted anew after every bit of progress.
  retryDelays: [0, 50, 100, 200, 400, 800, 1600, 3200],
  onShouldRetry(error) {
    const status = error.originalResponse?.getStatus()
    if (status === undefined) cuts += 1
    return status === undefined || status === 409 || status === 423
  },
  onError(error) {
    console.error(String(error))
    process.exitCode = 1
  },
  onSuccess() {
    console.log(upload.url)
    console.log(cuts)
  },
})
upload.start()
