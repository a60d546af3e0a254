package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/aotf/sharedmem/objects"
)

// Redis as one would use it for this: a hash for each request, a list for each
// queue, a Lua script for each transition, so that each is one round trip and
// atomic. Nothing notices a dead worker: what it had popped is lost, and so is
// its permit. Nothing is written to disk.

func redisMissing() string {
	if _, err := exec.LookPath("redis-server"); err != nil {
		return "redis-server is not installed: apt-get install redis-server"
	}
	return ""
}

func serveRedis(tb testing.TB, s size) (string, []*process) {
	dir := tempDir(tb)
	addr := filepath.Join(dir, "socket")
	p := start(tb, exec.Command("redis-server", "--port", "0", "--unixsocket", addr, "--dir", dir, "--save", "", "--appendonly", "no"))
	c := redis.NewClient(&redis.Options{Network: "unix", Addr: addr})
	defer c.Close()
	for {
		err := c.Ping(background).Err()
		if err == nil {
			break
		}
		if p.exited() {
			tb.Fatal("redis-server ended: ", err)
		}
		time.Sleep(time.Millisecond)
	}
	err := errors.Join(c.Set(background, "users", s.users, 0).Err(), c.RPush(background, "permits", 1).Err(),
		redisLaunch.Load(background, c).Err())
	for from := 0; from < s.fill && err == nil; from += 1000 {
		_, err = c.Pipelined(background, func(p redis.Pipeliner) error {
			for i := from; i < min(s.fill, from+1000); i++ {
				redisLaunch.EvalSha(background, p, nil, fillURL(i), time.Now().UnixNano())
			}
			return nil
		})
	}
	if err != nil {
		tb.Fatal(err)
	}
	return addr, []*process{p}
}

var (
	redisLaunch = redis.NewScript(`
		local id = redis.call('GET', 'url:'..ARGV[1])
		if id then return {id, 0} end
		if redis.call('INCR', 'live') > tonumber(redis.call('GET', 'users')) then
			for _ = 1, math.ceil(redis.call('LLEN', 'ended') / 16) do -- as package objects does
				local old = redis.call('LPOP', 'ended')
				redis.call('DEL', 'url:'..redis.call('HGET', 'r:'..old, 'url'), 'r:'..old)
				redis.call('DECR', 'live')
			end
		end
		id = tostring(redis.call('INCR', 'ids'))
		redis.call('SET', 'url:'..ARGV[1], id)
		redis.call('HSET', 'r:'..id, 'url', ARGV[1], 'started', ARGV[2], 'status', 0, 'turn', 0)
		redis.call('RPUSH', 'step1', id)
		return {id, 1}`)

	// With an id, the caller has popped it; else this pops one, if there is one.
	redisClaim = redis.NewScript(`
		local id = ARGV[2] or redis.call('LPOP', 'step'..ARGV[1])
		if not id then return false end
		local turn = redis.call('HINCRBY', 'r:'..id, 'turn', 1)
		redis.call('HINCRBY', 'r:'..id, 'status', 1)
		return {id, redis.call('HGET', 'r:'..id, 'url'), turn, redis.call('HGET', 'r:'..id, 'status')}`)

	// id, turn, status, then fields and values. Status 6 is END.
	redisMove = redis.NewScript(`
		local r = 'r:'..ARGV[1]
		if redis.call('HGET', r, 'turn') ~= ARGV[2] then return redis.error_reply('STALE the claim is spent') end
		redis.call('HINCRBY', r, 'turn', 1)
		redis.call('HSET', r, 'status', ARGV[3], unpack(ARGV, 4))
		if ARGV[3] == '6' then redis.call('RPUSH', 'ended', ARGV[1])
		else redis.call('RPUSH', 'step'..(ARGV[3] / 2 + 1), ARGV[1]) end
		return 1`)
)

type redisMode struct{ c *redis.Client }

func openRedis(_ testing.TB, addr string) (memory, error) {
	return &redisMode{redis.NewClient(&redis.Options{Network: "unix", Addr: addr, ReadTimeout: -1, WriteTimeout: -1})}, nil
}

func (m *redisMode) Launch(url string) (id, bool, error) {
	r, err := redisLaunch.Run(background, m.c, nil, url, time.Now().UnixNano()).Slice()
	if err != nil {
		return id{}, false, err
	}
	return id{remote: r[0].(string)}, r[1].(int64) == 1, nil
}

func (m *redisMode) Lookup(url string) (id, bool, error) {
	x, err := m.c.Get(background, "url:"+url).Result()
	if errors.Is(err, redis.Nil) {
		return id{}, false, nil
	}
	return id{remote: x}, err == nil, err
}

func (m *redisMode) Status(x id, dst *objects.UserRequest) error {
	r, err := m.c.HMGet(background, "r:"+x.remote, "status", "problem", "accounts", "images", "found").Result()
	if err != nil {
		return err
	}
	text, ok := r[0].(string)
	if !ok {
		return objects.ErrGone
	}
	status, err := strconv.Atoi(text)
	*dst = objects.UserRequest{Status: objects.Status(status)}
	if p, ok := r[1].(string); ok {
		problem, e := strconv.Atoi(p)
		dst.Problem, err = objects.Problem(problem), errors.Join(err, e)
	}
	for i, field := range []any{&dst.Accounts, &dst.ImageURLs, &dst.Found} {
		if s, ok := r[2+i].(string); ok {
			err = errors.Join(err, json.Unmarshal([]byte(s), field))
		}
	}
	return err
}

func (m *redisMode) Claim(s objects.Step) (claim, error) {
	r, err := redisClaim.Run(background, m.c, nil, int(s)).Slice()
	if errors.Is(err, redis.Nil) {
		var popped []string
		if popped, err = m.c.BLPop(background, 0, fmt.Sprint("step", int(s))).Result(); err == nil {
			r, err = redisClaim.Run(background, m.c, nil, int(s), popped[1]).Slice()
		}
	}
	if err != nil {
		return claim{}, err
	}
	// A claim is its turn and the status it was made at, in one number.
	status, err := strconv.Atoi(r[3].(string))
	return claim{id: id{remote: r[0].(string)}, url: r[1].(string), remote: r[2].(int64)<<3 | int64(status)}, err
}

func (m *redisMode) Advance(c claim) error {
	switch objects.Status(c.remote & 7) {
	case objects.LinkFinder:
		accounts, _ := json.Marshal(someAccounts)
		images, _ := json.Marshal(someImages)
		return m.move(c, objects.WaitIndexTweets, "accounts", accounts, "images", images, "published", somePosted.UnixNano())
	case objects.IndexTweets:
		return m.move(c, objects.WaitReverseSearch)
	}
	found, _ := json.Marshal(someFound)
	return m.move(c, objects.End, "found", found, "finished", time.Now().UnixNano())
}

func (m *redisMode) Fail(c claim) error {
	return m.move(c, objects.End, "problem", int(objects.NotAnURL), "finished", time.Now().UnixNano())
}

func (m *redisMode) move(c claim, to objects.Status, fields ...any) error {
	args := append([]any{c.id.remote, c.remote >> 3, int(to)}, fields...)
	return redisMove.Run(background, m.c, nil, args...).Err()
}

func (m *redisMode) Put(v int64) error { return m.c.RPush(background, "tweets", v).Err() }

func (m *redisMode) Get() (int64, error) {
	r, err := m.c.BLPop(background, 0, "tweets").Result()
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(r[1], 10, 64)
}

func (m *redisMode) Acquire() (permit, error) {
	return permit{}, m.c.BLPop(background, 0, "permits").Err()
}

func (m *redisMode) Release(permit) error { return m.c.RPush(background, "permits", 1).Err() }

func (m *redisMode) Allow(a netip.Addr) (bool, error) {
	return m.c.SetNX(background, "ip:"+a.String(), 1, time.Second).Result()
}

func (m *redisMode) Close() error { return m.c.Close() }
