# Checks that are counted, in the form of tools/clients/checks.py: one line each, and a closing line.

class Checks
  def initialize
    @passed = @failed = 0
  end

  # Runs one check; a string that it returns is a figure to print.
  def run(name)
    started = Process.clock_gettime(Process::CLOCK_MONOTONIC)
    figure = yield
    took = Process.clock_gettime(Process::CLOCK_MONOTONIC) - started
    @passed += 1
    puts format("ok       %s (%.1f s)%s", name, took, figure.is_a?(String) ? ": #{figure}" : "")
  rescue StandardError => e
    @failed += 1
    puts "FAILED   #{name}: #{e.class}: #{e.message}"
    e.backtrace.grep(/mastodon\.rb/).first(3).each { |place| puts "           #{place}" }
  end

  # Prints the closing line and ends the process.
  def close
    puts "#{@passed} passed, #{@failed} failed, 0 skipped"
    exit(@failed.positive? || @passed.zero? ? 1 : 0)
  end
end

def assert(what, message = "it is not so")
  raise message unless what
end

def assert_equal(wanted, found, what = "")
  raise "#{what} is #{found.inspect[0, 300]}, not #{wanted.inspect[0, 300]}" unless wanted == found
end
