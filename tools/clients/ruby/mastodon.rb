# The AWS SDK for Ruby exactly as Mastodon calls it: five seconds of patience and no retries, every file with its ACL and an
# immutable Cache-Control, by parts above 15 MiB in ten threads, read back in parallel, hidden and shown by ACL, deleted in
# batches of a thousand, listed by start-after.
#
# Takes from the environment: ENDPOINT, ACCESS_KEY, SECRET_KEY, BUCKET, FOLDER (pictures), FILE (more than 15 MiB), CA. Leaves
# in the bucket what `with_ruby.py` then looks at as a stranger.

require "aws-sdk-s3"
require "digest"
require "net/http"
require "openssl"
require "tempfile"
require_relative "checks"

# A download that fails raises in its thread, which is told below.
Thread.report_on_exception = false

ENDPOINT = ENV.fetch("ENDPOINT")
BUCKET = ENV.fetch("BUCKET")
FILE = ENV.fetch("FILE")
WAY = ENV.fetch("WAY")
MIB = 1 << 20
THRESHOLD = 15 * MIB
CACHE_CONTROL = "public, max-age=315576000, immutable".freeze
ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers".freeze
STEM = "cache/media_attachments/files/111/222/333/444/555/666/original".freeze

options = {
  endpoint: ENDPOINT, region: "us-east-1", force_path_style: true, retry_limit: 0,
  access_key_id: ENV.fetch("ACCESS_KEY"), secret_access_key: ENV.fetch("SECRET_KEY"),
  http_open_timeout: 5, http_read_timeout: 5, http_idle_timeout: 5
}
options[:ssl_ca_bundle] = ENV["CA"] if ENDPOINT.start_with?("https")
CLIENT = Aws::S3::Client.new(**options)
PICTURES = Dir[File.join(ENV.fetch("FOLDER"), "*")].sort

def bucket = Aws::S3::Resource.new(client: CLIENT).bucket(BUCKET)
def object(key) = bucket.object(key)
def type_of(path) = { ".jpg" => "image/jpeg", ".png" => "image/png", ".webp" => "image/webp", ".gif" => "image/gif" }.fetch(File.extname(path), "video/mp4")

# kt-paperclip's way to store a file.
def store(key, path, acl: "public-read")
  write = { content_type: type_of(path), acl: acl, cache_control: CACHE_CONTROL, multipart_threshold: THRESHOLD }
  object(key).upload_file(path, write)
rescue Aws::S3::Errors::NoSuchBucket
  bucket.create
  retry
end

def download(key)
  Tempfile.create("back") do |file|
    object(key).download_file(file.path)
    File.binread(file.path)
  end
end

# A request without a signature: what browsers, CDNs and Mastodon's CacheBuster send.
def anonymous(key, headers = {})
  uri = URI("#{ENDPOINT}/#{BUCKET}/#{key}")
  http = Net::HTTP.new(uri.host, uri.port)
  http.use_ssl = uri.scheme == "https"
  http.ca_file = ENV["CA"] if http.use_ssl?
  http.start { |connection| connection.get(uri.request_uri, headers) }
end

def refused
  yield
rescue Aws::S3::Errors::ServiceError => e
  e.code
else
  raise "it was not refused"
end

def assert_bytes(key, path)
  assert_equal(Digest::SHA256.file(path).hexdigest, Digest::SHA256.hexdigest(download(key)), key)
end

# The bucket does not exist yet: the first file makes it.
def first_file
  store("#{STEM}/first.jpg", PICTURES.first)
  assert_bytes("#{STEM}/first.jpg", PICTURES.first)
  head = object("#{STEM}/first.jpg").head
  assert_equal(CACHE_CONTROL, head.cache_control, "Cache-Control")
  assert_equal(type_of(PICTURES.first), head.content_type, "Content-Type")
  assert_equal("\"#{Digest::MD5.file(PICTURES.first).hexdigest}\"", head.etag, "ETag")
end

def many_files
  PICTURES.each_with_index do |path, number|
    %w(original small).each { |style| store(format("%s/%016x.%s", STEM.sub("original", style), number, File.extname(path)[1..]), path) }
  end
  PICTURES.each_with_index { |path, number| assert_bytes(format("%s/%016x.%s", STEM, number, File.extname(path)[1..]), path) }
  "#{PICTURES.size} files, two styles each"
end

def edge_sizes
  data = File.binread(FILE)
  [0, 1, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, THRESHOLD - 1, THRESHOLD, THRESHOLD + 1].each do |size|
    Tempfile.create(["edge", ".mp4"]) do |file|
      file.binmode
      file.write(data[0, size])
      file.flush
      store("edges/#{size}.mp4", file.path)
      assert_bytes("edges/#{size}.mp4", file.path)
      parted = object("edges/#{size}.mp4").etag.include?("-")
      assert_equal(size >= THRESHOLD, parted, "#{size} bytes: by parts")
    end
  end
end

def by_parts
  store("#{STEM}/video.mp4", FILE)
  etag = object("#{STEM}/video.mp4").etag
  parts = (File.size(FILE) / (5.0 * MIB)).ceil
  assert(etag.end_with?("-#{parts}\""), etag)
  first = CLIENT.head_object(bucket: BUCKET, key: "#{STEM}/video.mp4", part_number: 1)
  assert_equal(parts, first.parts_count, "parts_count")
  assert_equal(5 * MIB, first.content_length, "the first part")
  assert_bytes("#{STEM}/video.mp4", FILE)
  whole = object("#{STEM}/video.mp4").get.body
  assert_equal(Digest::SHA256.file(FILE).hexdigest, Digest::SHA256.hexdigest(whole.read), "in one request")
  range = object("#{STEM}/video.mp4").get(range: "bytes=5242880-5999999")
  assert_equal(Digest::SHA256.hexdigest(File.binread(FILE, 757_120, 5_242_880)), Digest::SHA256.hexdigest(range.body.read), "a range")
  "#{File.size(FILE)} bytes, #{parts} parts"
end

# A picture above 5 MiB that came in one request comes back in ranges, ten at a time.
def parallel_ranges
  Tempfile.create(["ranges", ".png"]) do |file|
    file.binmode
    file.write(File.binread(FILE, 14 * MIB))
    file.flush
    store("#{STEM}/ranges.png", file.path)
    assert_equal(nil, CLIENT.head_object(bucket: BUCKET, key: "#{STEM}/ranges.png", part_number: 1).parts_count, "parts_count")
    assert_bytes("#{STEM}/ranges.png", file.path)
  end
end

def hidden_and_shown
  key = "#{STEM}/0000000000000001#{File.extname(PICTURES[1])}"
  4.times do |round|
    hidden = round.even?
    object(key).acl.put(acl: hidden ? "private" : "public-read")
    answer = anonymous(key)
    assert_equal(hidden ? "403" : "200", answer.code, "a stranger's GET after #{hidden ? 'private' : 'public-read'}")
    grants = object(key).acl.grants.map { |grant| grant.grantee.uri }
    assert_equal(!hidden, grants.include?(ALL_USERS), "the grant to everyone")
  end
  assert_equal(File.binread(PICTURES[1]), anonymous(key).body.b, "what a stranger reads")
  assert_equal(CACHE_CONTROL, object(key).head.cache_control, "Cache-Control after changes of the ACL")
  assert_equal("NoSuchKey", refused { object("#{STEM}/nothing").acl.put(acl: "private") })
end

def cache_buster
  key = "#{STEM}/0000000000000001#{File.extname(PICTURES[1])}"
  assert_equal("200", anonymous(key, { "Secret-Header" => "secret", "X-Purge" => "1" }).code, "a cache buster's GET")
end

def review_of_removed_media
  key = "#{STEM}/0000000000000002#{File.extname(PICTURES[2])}"
  object(key).acl.put(acl: "private")
  uri = URI(object(key).presigned_url(:get, expires_in: 600))
  answer = anonymous("#{key}?#{uri.query}")
  assert_equal("200", answer.code, "the link")
  assert_equal(File.binread(PICTURES[2]), answer.body.b, "what it shows")
  assert_equal("403", anonymous("#{key}?#{uri.query.sub(/.$/) { |last| last == '0' ? '1' : '0' }}").code, "a forged link")
end

def archive
  key = "backups/dumps/000/001/original/archive-20261122-0123456789abcdef0123456789abcdef.zip"
  object(key).upload_file(FILE, acl: "private", content_type: "application/zip", multipart_threshold: THRESHOLD)
  assert_equal("403", anonymous(key).code, "a stranger's GET of an archive")
  assert_bytes(key, FILE)
end

def existence
  assert(object("#{STEM}/first.jpg").exists?)
  assert(!object("#{STEM}/never.jpg").exists?)
  object("#{STEM}/never.jpg").delete
  object("#{STEM}/gone.jpg").put(body: "x", acl: "public-read")
  object("#{STEM}/gone.jpg").delete
  assert(!object("#{STEM}/gone.jpg").exists?)
end

# `tootctl upgrade storage-schema`: a copy with the ACL, then a removal.
def renamed
  store("custom_emojis/images/000/1 ü+.png", PICTURES[3])
  target = object("cache/custom_emojis/images/000/1 ü+.png")
  object("custom_emojis/images/000/1 ü+.png").move_to(target, acl: "public-read")
  assert(!object("custom_emojis/images/000/1 ü+.png").exists?)
  assert_bytes(target.key, PICTURES[3])
  assert_equal(CACHE_CONTROL, target.head.cache_control, "Cache-Control of the copy")
  assert_equal("200", anonymous(Seahorse::Util.uri_path_escape(target.key)).code, "a stranger's GET of the copy")
end

# 1,050 keys in ten threads; listed by start-after as `tootctl media remove-orphans` does; removed in batches.
def batches
  keys = (0...1050).map { |number| format("preview_cards/images/%06d/original/%016x.jpg", number / 3, number) }
  queue = keys.each_with_object(Queue.new) { |key, waiting| waiting << key }
  Array.new(10) { Thread.new { object(queue.pop(true)).put(body: "x", acl: "public-read") until queue.empty? rescue ThreadError } }.each(&:join)
  assert_equal(keys, by_start_after("preview_cards/"), "the keys by start-after")
  keys.each_slice(1000) do |slice|
    answer = bucket.delete_objects(delete: { objects: (slice + ["never/was"]).first(1000).map { |key| { key: key } }, quiet: true })
    assert_equal([[], []], [answer.deleted, answer.errors], "the answer of a quiet batch")
  end
  assert_equal([], by_start_after("preview_cards/"), "what is left")
  "#{keys.size} keys"
end

def by_start_after(prefix)
  found, last = [], nil
  loop do
    page = bucket.objects({ start_after: last, prefix: prefix }.compact).limit(1000).map(&:key)
    return found if page.empty?

    found += page
    last = page.last
  end
end

checks = Checks.new
{
  "the first file makes the bucket" => :first_file, "files of two styles" => :many_files, "sizes at the edges" => :edge_sizes,
  "video by parts in ten threads" => :by_parts, "reading back in parallel ranges" => :parallel_ranges,
  "hidden and shown by ACL" => :hidden_and_shown, "cache buster" => :cache_buster,
  "link to removed media" => :review_of_removed_media, "account archive" => :archive, "exists? and delete" => :existence,
  "renamed with its ACL" => :renamed, "batches of a thousand" => :batches
}.each { |name, check| checks.run("AWS SDK for Ruby over #{WAY}: #{name}") { send(check) } }
checks.close
